import com.netflix.hollow.core.memory.MemoryMode;
import java.util.Arrays;
import java.util.logging.Level;
import java.util.logging.Logger;

/** Main PHASE ARGUMENTS: runs one phase of the benchmark on Hollow. */
public final class Main {
    public static void main(String[] args) throws Exception {
        Logger.getLogger("").setLevel(Level.WARNING);
        String[] rest = Arrays.copyOfRange(args, 1, args.length);
        switch (args[0]) {
            case "produce" -> Produce.run(rest[0], rest[1], rest.length > 2 ? rest[2] : "");
            case "delta" -> Follow.run(rest[0], rest[1], Integer.parseInt(rest[2]));
            case "load" -> Load.run(rest[0], rest[1], mode(rest, 2));
            case "read" -> Read.run(rest[0], rest[1], rest[2], mode(rest, 3));
            case "busy" -> Busy.run(rest[0], rest[1], rest[2], rest[3]);
            case "diff" -> Compare.run(rest[0], rest[1], Integer.parseInt(rest[2]));
            case "hash" -> Hash.run(rest[0], rest[1], Arrays.asList(rest).subList(2, rest.length));
            default -> throw new IllegalArgumentException("no phase " + args[0]);
        }
        System.exit(0); // Hollow leaves threads behind
    }

    /** Where a consumer has its data: the i'th argument may say "mapped". */
    private static MemoryMode mode(String[] args, int i) {
        return args.length > i && args[i].equals("mapped") ? MemoryMode.SHARED_MEMORY_LAZY : MemoryMode.ON_HEAP;
    }
}

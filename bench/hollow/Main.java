import java.util.Arrays;
import java.util.logging.Level;
import java.util.logging.Logger;

/** Main PHASE ARGUMENTS: runs one phase of the benchmark on Hollow. */
public final class Main {
    public static void main(String[] args) throws Exception {
        Logger.getLogger("").setLevel(Level.WARNING);
        String[] rest = Arrays.copyOfRange(args, 1, args.length);
        switch (args[0]) {
            case "produce" -> Produce.run(rest[0], rest[1]);
            case "delta" -> Follow.run(rest[0], rest[1], Integer.parseInt(rest[2]));
            case "load" -> Load.run(rest[0], rest[1]);
            case "read" -> Read.run(rest[0], rest[1], rest[2]);
            case "diff" -> Compare.run(rest[0], rest[1], Integer.parseInt(rest[2]));
            case "hash" -> Hash.run(rest[0], rest[1], Arrays.asList(rest).subList(2, rest.length));
            default -> throw new IllegalArgumentException("no phase " + args[0]);
        }
        System.exit(0); // Hollow leaves threads behind
    }
}

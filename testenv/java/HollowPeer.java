import com.netflix.hollow.api.consumer.HollowConsumer;
import com.netflix.hollow.api.consumer.fs.HollowFilesystemAnnouncementWatcher;
import com.netflix.hollow.api.consumer.fs.HollowFilesystemBlobRetriever;
import com.netflix.hollow.api.producer.HollowProducer;
import com.netflix.hollow.api.producer.fs.HollowFilesystemAnnouncer;
import com.netflix.hollow.api.producer.fs.HollowFilesystemPublisher;
import com.netflix.hollow.core.read.HollowBlobInput;
import com.netflix.hollow.core.read.OptionalBlobPartInput;
import com.netflix.hollow.core.read.engine.HollowBlobReader;
import com.netflix.hollow.core.read.engine.HollowReadStateEngine;
import com.netflix.hollow.core.read.engine.HollowTypeReadState;
import com.netflix.hollow.core.read.filter.TypeFilter;
import com.netflix.hollow.core.schema.HollowSchema;
import com.netflix.hollow.tools.checksum.HollowChecksum;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.logging.LogManager;

/**
 * The real Hollow library as a peer of our tests: it reads files that we wrote, and continues
 * histories that we began. See USAGE. Results go to standard output, reasons of failure to standard
 * error. Exit codes: 0 done, 1 the library refused, 2 wrong usage.
 */
public final class HollowPeer {
    private static final String USAGE = """
        usage: java -cp hollow.jar:. HollowPeer COMMAND
          checksum FILE[,FILE...]           Hollow's checksum after a snapshot and the deltas that follow it
          dump FILE[,FILE...] VERSION       the state's canonical dump, named VERSION
            --parts A,B                     load these optional parts along with each file
            --filter RULES                  load only what RULES let through
          consume DIR VERSION[,VERSION...]  refresh a consumer to each version in turn
            --parts A,B                     with these optional parts
          follow DIR FILE                   follow what DIR announces until FILE names the version that is reached
          continue DIR                      restore a producer from DIR's announced version and run a cycle
          serve                             commands from standard input, one a line, their words parted by tabs;
                                            each is answered by "CODE LENGTH" and LENGTH bytes
        """;

    private HollowPeer() {}

    public static void main(String[] args) throws IOException {
        LogManager.getLogManager().reset();
        PrintStream out = System.out;
        System.setOut(System.err); // what the library prints is no result
        if (args.length == 1 && args[0].equals("serve")) {
            serve(out);
            return;
        }
        Answer answer = answer(args);
        (answer.code == 0 ? out : System.err).print(answer.text);
        out.flush();
        System.exit(answer.code);
    }

    private record Answer(int code, String text) {}

    private static void serve(PrintStream out) throws IOException {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            Answer answer = answer(line.split("\t", -1));
            byte[] text = answer.text.getBytes(StandardCharsets.UTF_8);
            out.print(answer.code + " " + text.length + "\n");
            out.write(text);
            out.flush();
        }
    }

    private static Answer answer(String[] args) {
        try {
            return new Answer(0, run(new Arguments(args)));
        } catch (Usage e) {
            return new Answer(2, e.getMessage() + "\n" + USAGE);
        } catch (Throwable e) { // whatever the library does, the next command must be answered
            StringWriter trace = new StringWriter();
            e.printStackTrace(new PrintWriter(trace));
            return new Answer(1, trace.toString());
        }
    }

    private static String run(Arguments args) throws Exception {
        String command = args.next("command");
        StringBuilder out = new StringBuilder();
        switch (command) {
            case "checksum" -> {
                List<String> files = args.list("files");
                args.end();
                out.append(checksum(load(files, args))).append('\n');
            }
            case "dump" -> {
                List<String> files = args.list("files");
                String version = args.next("version");
                args.end();
                new Dump(out).state(load(files, args), version);
            }
            case "consume" -> {
                Path dir = Path.of(args.next("folder"));
                List<String> versions = args.list("versions");
                args.end();
                consume(out, dir, versions, args.parts);
            }
            case "follow" -> {
                Path dir = Path.of(args.next("folder"));
                Path until = Path.of(args.next("file"));
                args.end();
                follow(out, dir, until);
            }
            case "continue" -> {
                Path dir = Path.of(args.next("folder"));
                args.end();
                continueHistory(out, dir);
            }
            default -> throw new Usage("unknown command " + command);
        }
        return out.toString();
    }

    /** Reads the first file as a snapshot and applies the others to it. */
    private static HollowReadStateEngine load(List<String> files, Arguments args) throws Exception {
        HollowReadStateEngine engine = new HollowReadStateEngine();
        HollowBlobReader reader = new HollowBlobReader(engine);
        for (int i = 0; i < files.size(); i++) {
            File file = new File(files.get(i));
            try (HollowBlobInput in = HollowBlobInput.serial(Files.readAllBytes(file.toPath()));
                    OptionalBlobPartInput parts = parts(file, args.parts)) {
                if (i == 0 && args.filter.isEmpty()) {
                    reader.readSnapshot(in, parts); // a filter for everything would drop types without fields
                } else if (i == 0) {
                    reader.readSnapshot(in, parts, filter(args.filter));
                } else {
                    reader.applyDelta(in, parts);
                }
            }
        }
        return engine;
    }

    /** Returns the files beside blob that hold the optional parts. */
    private static OptionalBlobPartInput parts(File blob, Set<String> names) {
        OptionalBlobPartInput parts = new OptionalBlobPartInput();
        String[] words = blob.getName().split("-", 2);
        for (String name : names) {
            parts.addInput(name, new File(blob.getParentFile(), words[0] + "_" + name + "-" + words[1]));
        }
        return parts;
    }

    /** Parses a filter as the golden vectors write it. */
    @SuppressWarnings("deprecation") // they have the older kind too
    private static TypeFilter filter(String text) throws Usage {
        if (text.startsWith("config:")) {
            return com.netflix.hollow.core.read.filter.HollowFilterConfig.fromString(text.substring("config:".length()).replace('|', '\n'));
        }
        TypeFilter.Builder builder = TypeFilter.newTypeFilter();
        if (!text.startsWith("rules:")) {
            throw new Usage("filter is neither rules: nor config:");
        }
        for (String rule : text.substring("rules:".length()).split(",")) {
            String[] words = rule.split(":", 2);
            String[] names = words.length == 1 ? new String[] {""} : words[1].split("\\.", 2);
            boolean field = names.length == 2;
            builder = switch (words[0]) {
                case "includeAll" -> builder.includeAll();
                case "excludeAll" -> builder.excludeAll();
                case "include" -> field ? builder.include(names[0], names[1]) : builder.include(names[0]);
                case "exclude" -> field ? builder.exclude(names[0], names[1]) : builder.exclude(names[0]);
                case "includeRecursive" -> field
                    ? builder.includeRecursive(names[0], names[1]) : builder.includeRecursive(names[0]);
                case "excludeRecursive" -> field
                    ? builder.excludeRecursive(names[0], names[1]) : builder.excludeRecursive(names[0]);
                default -> throw new Usage("unknown filter rule " + rule);
            };
        }
        return builder.build();
    }

    /** Refreshes one consumer to each version in turn and prints each state in a line. */
    private static void consume(StringBuilder out, Path dir, List<String> versions, Set<String> parts)
            throws Usage {
        List<String> loaded = new ArrayList<>();
        HollowConsumer consumer = HollowConsumer.newHollowConsumer()
            .withBlobRetriever(new HollowFilesystemBlobRetriever(dir, parts))
            .withDoubleSnapshotConfig(new OnlyDeltas())
            .withRefreshListener(new HollowConsumer.AbstractRefreshListener() {
                @Override
                public void blobLoaded(HollowConsumer.Blob blob) {
                    loaded.add(name(blob));
                }
            })
            .build();
        for (String version : versions) {
            loaded.clear();
            consumer.triggerRefreshTo(version(version));
            summary(out, consumer.getCurrentVersionId(), loaded, consumer.getStateEngine());
        }
    }

    /**
     * Follows the announced version as Hollow's own watcher sees it, only more often, and prints each
     * state in a line.
     */
    private static void follow(StringBuilder out, Path dir, Path until) throws Exception {
        ScheduledThreadPoolExecutor often = new ScheduledThreadPoolExecutor(1) {
            @Override
            public ScheduledFuture<?> scheduleWithFixedDelay(Runnable look, long first, long delay, TimeUnit unit) {
                return super.scheduleWithFixedDelay(look, 0, 2, TimeUnit.MILLISECONDS);
            }
        };
        List<String> loaded = new ArrayList<>();
        AtomicLong printed = new AtomicLong(Long.MIN_VALUE); // the consumer is there before its listener has printed that
        HollowConsumer[] self = new HollowConsumer[1];
        self[0] = HollowConsumer.newHollowConsumer()
            .withBlobRetriever(new HollowFilesystemBlobRetriever(dir))
            .withAnnouncementWatcher(new HollowFilesystemAnnouncementWatcher(dir, often))
            .withDoubleSnapshotConfig(new OnlyDeltas())
            .withRefreshListener(new HollowConsumer.AbstractRefreshListener() {
                @Override
                public void blobLoaded(HollowConsumer.Blob blob) {
                    loaded.add(name(blob));
                }

                @Override
                public void refreshSuccessful(long before, long after, long requested) {
                    if (before != after) {
                        summary(out, after, loaded, self[0].getStateEngine());
                    }
                    loaded.clear();
                    printed.set(after);
                }
            })
            .build();
        try {
            self[0].triggerRefresh();
            long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(100);
            while (!Files.exists(until) || printed.get() != version(Files.readString(until))) {
                if (System.nanoTime() > deadline) {
                    throw new IOException("the consumer stays at " + self[0].getCurrentVersionId());
                }
                Thread.sleep(5);
            }
        } finally {
            often.shutdownNow();
        }
    }

    /** Never loads a second snapshot, so that a path consists of deltas and reverse deltas. */
    private static final class OnlyDeltas implements HollowConsumer.DoubleSnapshotConfig {
        @Override
        public boolean allowDoubleSnapshot() {
            return false;
        }

        @Override
        public int maxDeltasBeforeDoubleSnapshot() {
            return Integer.MAX_VALUE;
        }
    }

    private static String name(HollowConsumer.Blob blob) {
        if (blob.isSnapshot()) {
            return "snapshot-" + blob.getToVersion();
        }
        String kind = blob.isReverseDelta() ? "reversedelta" : "delta";
        return kind + "-" + blob.getFromVersion() + "-" + blob.getToVersion();
    }

    /** Restores from the announced version, runs one cycle and prints the new state in a line. */
    private static void continueHistory(StringBuilder out, Path dir) throws Exception {
        long announced = version(Files.readString(dir.resolve(HollowFilesystemAnnouncer.ANNOUNCEMENT_FILENAME)));
        HollowConsumer.BlobRetriever blobs = new HollowFilesystemBlobRetriever(dir);
        HollowConsumer last = HollowConsumer.newHollowConsumer().withBlobRetriever(blobs).build();
        last.triggerRefreshTo(announced);

        Path staging = Files.createTempDirectory("hollow-peer");
        HollowProducer producer = HollowProducer.withPublisher(new HollowFilesystemPublisher(dir))
            .withAnnouncer(new HollowFilesystemAnnouncer(dir))
            .withBlobStagingDir(staging.toFile())
            .withVersionMinter(() -> announced + 1)
            .build(); // with its integrity check, which is on by default
        producer.initializeDataModel(last.getStateEngine().getSchemas().toArray(new HollowSchema[0]));
        producer.restore(announced, blobs);
        long version = producer.runCycle(new NextVersion());
        Files.deleteIfExists(staging);

        last.triggerRefreshTo(version);
        summary(out, version, List.of(), last.getStateEngine());
    }

    private static void summary(
            StringBuilder out, long version, List<String> loaded, HollowReadStateEngine engine) {
        out.append("{\"version\":\"").append(version);
        out.append("\",\"checksum\":\"").append(checksum(engine)).append("\",\"loaded\":[");
        for (int i = 0; i < loaded.size(); i++) {
            out.append(i == 0 ? "\"" : ",\"").append(loaded.get(i)).append('"');
        }
        out.append("],\"records\":{");
        TreeMap<String, Integer> records = new TreeMap<>();
        for (HollowTypeReadState type : engine.getTypeStates()) {
            records.put(type.getSchema().getName(), type.getPopulatedOrdinals().cardinality());
        }
        String comma = "";
        for (var entry : records.entrySet()) {
            out.append(comma);
            new Dump(out).text(entry.getKey());
            out.append(':').append(entry.getValue());
            comma = ",";
        }
        out.append("}}\n");
    }

    private static String checksum(HollowReadStateEngine engine) {
        return Integer.toHexString(HollowChecksum.forStateEngine(engine).intValue());
    }

    private static long version(String text) throws Usage {
        try {
            return Long.parseLong(text.strip());
        } catch (NumberFormatException e) {
            throw new Usage("version is not a number: " + text);
        }
    }

    /** The words of a command that are not options, and its options. */
    private static final class Arguments {
        private final List<String> words = new ArrayList<>();
        private Set<String> parts = Set.of();
        private String filter = "";

        Arguments(String[] args) throws Usage {
            for (int i = 0; i < args.length; i++) {
                if (!args[i].startsWith("--")) {
                    words.add(args[i]);
                    continue;
                }
                if (i + 1 == args.length) {
                    throw new Usage("option without a value: " + args[i]);
                }
                switch (args[i++]) {
                    case "--parts" -> parts = Set.of(args[i].split(","));
                    case "--filter" -> filter = args[i];
                    default -> throw new Usage("unknown option " + args[i - 1]);
                }
            }
        }

        String next(String what) throws Usage {
            if (words.isEmpty()) {
                throw new Usage("missing: " + what);
            }
            return words.remove(0);
        }

        List<String> list(String what) throws Usage {
            return List.of(next(what).split(","));
        }

        void end() throws Usage {
            if (!words.isEmpty()) {
                throw new Usage("too many words: " + words);
            }
        }
    }

    private static final class Usage extends Exception {
        private static final long serialVersionUID = 1;

        Usage(String message) {
            super(message);
        }
    }
}

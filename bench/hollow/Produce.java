import com.netflix.hollow.api.producer.HollowIncrementalProducer;
import com.netflix.hollow.api.producer.HollowProducer;
import com.netflix.hollow.api.producer.fs.HollowFilesystemPublisher;
import com.netflix.hollow.core.write.objectmapper.RecordPrimaryKey;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A full first cycle, then the standard chain through the incremental producer.
 * Tuned: no integrity check, one snapshot.
 */
@SuppressWarnings({"deprecation", "unchecked"})
final class Produce {
    /** The option is "first" for the first cycle only, "focus" for new records in few shards, "small" for small shards besides. */
    static void run(String workspace, String folder, String option) throws Exception {
        Path data = Path.of(workspace), blobs = Path.of(folder);
        Files.createDirectories(blobs);
        for (File old : blobs.toFile().listFiles()) old.delete();
        Neutral base = new Neutral(data.resolve("base.bin"));
        Class<?> root = Model.root(base.kind);
        HollowProducer.Builder<?> how = HollowProducer.withPublisher(new HollowFilesystemPublisher(blobs))
                .noIntegrityCheck().withNumStatesBetweenSnapshots(1 << 20);
        if (option.equals("focus") || option.equals("small")) how.withFocusHoleFillInFewestShards(true);
        if (option.equals("small")) how.withTargetMaxTypeShardSize(1 << 20);
        HollowProducer producer = how.build();
        producer.initializeDataModel(root);

        long start = System.nanoTime();
        long version = producer.runCycle(state -> populate(state, base.parts(2)));
        Sample.since("populate", start);
        Sample.emit("populate_rss_peak", Sample.resident("VmHWM"));
        StringBuilder versions = new StringBuilder(version + " 0\n");

        HollowIncrementalProducer incremental = new HollowIncrementalProducer(producer, 1.0);
        for (String line : option.equals("first") ? List.<String>of() : Files.readAllLines(data.resolve("chain.txt"))) {
            String[] words = line.split(" ");
            List<Object> changes = new ArrayList<>();
            Neutral file = new Neutral(data.resolve(words[0]));
            for (int i = 0; i < file.count; i++) changes.add(file.change());
            start = System.nanoTime();
            for (Object change : changes) {
                if (change instanceof Long id) incremental.delete(new RecordPrimaryKey(root.getSimpleName(), new Object[] {id}));
                else incremental.addOrModify(change);
            }
            long next = incremental.runCycle();
            Sample.since("cycle@" + words[1], start);
            if (next == version || next == Long.MIN_VALUE) throw new IllegalStateException("no version from " + words[0]);
            Sample.emit("delta_bytes@" + words[1], Files.size(blobs.resolve("delta-" + version + "-" + next)));
            version = next;
            versions.append(version).append(' ').append(words[1]).append('\n');
        }
        Sample.emit("cycle_rss_peak", Sample.resident("VmHWM"));
        Files.writeString(blobs.resolve("versions.txt"), versions);
    }

    private static void populate(HollowProducer.WriteState state, List<Neutral> parts) throws Exception {
        List<Throwable> failed = new ArrayList<>();
        List<Thread> threads = new ArrayList<>();
        for (Neutral part : parts) {
            Thread t = new Thread(() -> {
                for (int i = 0; i < part.count; i++) state.add(part.record());
            });
            t.setUncaughtExceptionHandler((thread, e) -> {
                synchronized (failed) { failed.add(e); }
            });
            t.start();
            threads.add(t);
        }
        for (Thread t : threads) t.join();
        if (!failed.isEmpty()) throw new IllegalStateException(failed.get(0));
    }
}

import com.netflix.hollow.api.consumer.HollowConsumer;
import com.netflix.hollow.core.index.HollowPrimaryKeyIndex;
import com.netflix.hollow.core.read.engine.HollowReadStateEngine;
import com.netflix.hollow.core.read.engine.object.HollowObjectTypeReadState;
import java.util.Arrays;
import java.util.function.LongSupplier;

/**
 * Times look-ups in pairs of intervals, a quiet one and one in which deltas are applied one after the other; busy.go has
 * its twin. A delta changes Hollow's states in place, so that a key can be missing for a moment: it is counted and skipped.
 */
final class Busy {
    private static final int PAIRS = 60, WARM = 3, BATCH = 64;
    private static final long INTERVAL = 200_000_000L, LEAD = 20_000_000L;

    private final Blobs blobs;
    private final String root;
    private final long[] ids;
    private HollowConsumer consumer;
    private HollowPrimaryKeyIndex keys;
    private Read read;
    private LongSupplier batch;
    private int version, applied;
    private long missed;
    private boolean ended; // within the last pair
    private volatile boolean stop;
    private Throwable failed; // of the thread that applies deltas

    private Busy(Blobs blobs, String root, long[] ids) {
        this.blobs = blobs;
        this.root = root;
        this.ids = ids;
    }

    /** Goes through the chain in folder again and again; tail begins with its last version. */
    static void run(String folder, String tail, String root, String keyFile) throws Exception {
        Busy b = new Busy(new Blobs(folder), root, lasting(Read.ids(keyFile), new Blobs(tail), root));
        b.begin();
        Histogram[] modes = {new Histogram(), new Histogram()};
        for (int i = 0, cut = 0; i < WARM + PAIRS; i++) {
            if (i == WARM) b.applied = 0;
            Histogram[] now = {new Histogram(), new Histogram()};
            double[][] paces = new double[2][];
            b.ended = false;
            for (int k = 0; k < 2; k++) {
                int mode = (k + i) % 2;
                paces[mode] = b.interval(mode == 1, now[mode]);
            }
            if (b.ended) { // no delta was left in the middle of the interval
                if (++cut > PAIRS) throw new IllegalStateException("the chain is too short for an interval");
                b.begin();
                i--;
                continue;
            }
            if (i < WARM) continue;
            for (int mode = 0; mode < 2; mode++) modes[mode].add(now[mode]);
            Sample.emit("get3_busy", paces[1][0] / paces[0][0]);
            Sample.emit("get3_busy_wall", paces[1][1] / paces[0][1]);
            Sample.emit("quiet_ns", paces[0][0]);
            Sample.emit("busy_ns", paces[1][0]);
        }
        String[] names = {"quiet", "busy"};
        for (int mode = 0; mode < 2; mode++) {
            Sample.emit("stall_" + names[mode], modes[mode].quantile(0.999));
            Sample.emit("stall_most_" + names[mode], modes[mode].most);
        }
        Sample.emit("busy_deltas", b.applied);
        Sample.emit("busy_missed", b.missed + b.read.missed());
    }

    /** The keys of records that are there in the tail's first version. */
    private static long[] lasting(long[] ids, Blobs tail, String root) {
        HollowPrimaryKeyIndex keys = Blobs.keys(tail.at(0).getStateEngine(), root);
        return Arrays.stream(ids).filter(id -> keys.getMatchingOrdinal((Object) id) >= 0).toArray();
    }

    /** Loads the first version. */
    private void begin() {
        if (keys != null) {
            keys.detachFromDeltaUpdates();
            missed += read.missed();
        }
        consumer = null;
        keys = null;
        read = null;
        batch = null;
        System.gc();
        consumer = blobs.at(0);
        version = 0;
        HollowReadStateEngine state = consumer.getStateEngine();
        keys = Blobs.keys(state, root);
        keys.listenForDeltaUpdates();
        read = new Read(keys, (HollowObjectTypeReadState) state.getTypeState(root), ids, 0, BATCH);
        batch = read.numbers(root);
        pace(1_000_000_000L, new Histogram());
    }

    private double[] interval(boolean busy, Histogram batches) throws InterruptedException {
        if (!busy) {
            pace(LEAD, new Histogram());
            return pace(INTERVAL, batches);
        }
        stop = false;
        Thread follower = new Thread(this::follow);
        follower.setUncaughtExceptionHandler((thread, e) -> failed = e);
        follower.start();
        pace(LEAD, new Histogram());
        double[] p = pace(INTERVAL, batches);
        stop = true;
        follower.join();
        if (failed != null) throw new IllegalStateException("apply deltas", failed);
        return p;
    }

    private void follow() {
        while (!stop) {
            if (version + 1 == blobs.ids.size()) {
                ended = true;
                return;
            }
            consumer.triggerRefreshTo(blobs.ids.get(++version));
            applied++;
        }
    }

    /** Looks up that long: the nanoseconds of a look-up, in processor time of its thread and elapsed. */
    private double[] pace(long time, Histogram batches) {
        long sum = 0, n = 0, processor = Sample.now(), start = System.nanoTime(), last = start;
        while (last - start < time) {
            sum += batch.getAsLong();
            long now = System.nanoTime();
            batches.add(now - last);
            last = now;
            n += BATCH;
        }
        Sample.sink += sum;
        return new double[] {(double) (Sample.now() - processor) / n, (double) (last - start) / n};
    }
}

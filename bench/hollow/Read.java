import com.netflix.hollow.api.consumer.HollowConsumer;
import com.netflix.hollow.core.index.HollowPrimaryKeyIndex;
import com.netflix.hollow.core.memory.MemoryMode;
import com.netflix.hollow.core.read.engine.HollowReadStateEngine;
import com.netflix.hollow.core.read.engine.object.HollowObjectTypeReadState;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.function.IntToLongFunction;
import java.util.function.LongSupplier;

/** Times look-ups, whole records and a scan through the type states, Hollow's quickest public way. */
final class Read {
    private static final int BATCH = 1 << 14;
    private final HollowPrimaryKeyIndex keys;
    private final HollowObjectTypeReadState t;
    private final long[] ids;
    private final int batch; // look-ups of a call
    private int at;
    private long missed;

    Read(HollowPrimaryKeyIndex keys, HollowObjectTypeReadState t, long[] ids, int at, int batch) {
        this.keys = keys;
        this.t = t;
        this.ids = ids;
        this.at = at;
        this.batch = batch;
    }

    static long[] ids(String keyFile) throws Exception {
        ByteBuffer file = ByteBuffer.wrap(Files.readAllBytes(Path.of(keyFile))).order(ByteOrder.LITTLE_ENDIAN);
        long[] ids = new long[file.capacity() / 8];
        file.asLongBuffer().get(ids);
        return ids;
    }

    /** Keys that were not there. */
    long missed() { return missed; }

    static void run(String folder, String root, String keyFile, MemoryMode mode) throws Exception {
        HollowConsumer c = new Blobs(folder, mode).at(0);
        HollowReadStateEngine state = c.getStateEngine();
        HollowObjectTypeReadState t = (HollowObjectTypeReadState) state.getTypeState(root);
        long[] ids = ids(keyFile);
        Read r = new Read(Blobs.keys(state, root), t, ids, 0, BATCH);

        Sample.emit("get3", Sample.perOperation(BATCH, r.numbers(root)));
        Sample.emit("get3_2threads", r.both(root));
        Sample.emit("get_string", Sample.perOperation(BATCH, r.text(root)));
        IntToLongFunction visit = Visit.of(state, root);
        Sample.emit("whole", Sample.perOperation(BATCH / 16, () -> {
            long sum = 0;
            for (int i = r.next(BATCH / 16), end = i + BATCH / 16; i < end; i++) sum += visit.applyAsLong(r.get(ids[i]));
            return sum;
        }));
        BitSet ordinals = t.getPopulatedOrdinals();
        int field = t.getSchema().getPosition(switch (root) { case "Movie" -> "year"; case "Flat" -> "stock"; default -> "population"; });
        Sample.emit("scan", Sample.perOperation(ordinals.cardinality(), () -> {
            long sum = 0;
            for (int o = ordinals.nextSetBit(0); o >= 0; o = ordinals.nextSetBit(o + 1)) sum += t.readInt(o, field);
            return sum;
        }));
        long sum = 0;
        for (int o = ordinals.nextSetBit(0); o >= 0; o = ordinals.nextSetBit(o + 1)) sum += visit.applyAsLong(o);
        Sample.text("whole_sum", Long.toString(sum));
        if (r.missed > 0) throw new IllegalStateException(r.missed + " keys are lost");
    }

    /** Where the next n keys begin. */
    private int next(int n) {
        if (at + n > ids.length) at = 0;
        at += n;
        return at - n;
    }

    private int get(long id) { return keys.getMatchingOrdinal((Object) id); }

    LongSupplier numbers(String root) {
        return switch (root) {
            case "Movie" -> movie();
            case "Flat" -> flat();
            default -> city();
        };
    }

    private int field(String name) { return t.getSchema().getPosition(name); }

    private LongSupplier movie() {
        int year = field("year"), runtime = field("runtime"), popularity = field("popularity");
        return () -> {
            long sum = 0;
            for (int i = next(batch), end = i + batch; i < end; i++) {
                int o = get(ids[i]);
                if (o < 0) {
                    missed++;
                    continue;
                }
                sum += t.readInt(o, year) + t.readInt(o, runtime) + (long) t.readFloat(o, popularity);
            }
            return sum;
        };
    }

    private LongSupplier flat() {
        int category = field("category"), price = field("price"), stock = field("stock");
        return () -> {
            long sum = 0;
            for (int i = next(batch), end = i + batch; i < end; i++) {
                int o = get(ids[i]);
                if (o < 0) {
                    missed++;
                    continue;
                }
                sum += t.readInt(o, category) + t.readLong(o, price) + t.readInt(o, stock);
            }
            return sum;
        };
    }

    private LongSupplier city() {
        int population = field("population"), lat = field("lat"), lon = field("lon");
        return () -> {
            long sum = 0;
            for (int i = next(batch), end = i + batch; i < end; i++) {
                int o = get(ids[i]);
                if (o < 0) {
                    missed++;
                    continue;
                }
                sum += t.readInt(o, population) + (long) t.readDouble(o, lat) + (long) t.readDouble(o, lon);
            }
            return sum;
        };
    }

    private LongSupplier text(String root) {
        int f = field(switch (root) { case "Movie" -> "title"; case "Flat" -> "sku"; default -> "name"; });
        return () -> {
            long sum = 0;
            for (int i = next(batch), end = i + batch; i < end; i++) {
                String s = t.readString(get(ids[i]), f);
                sum += s.length() + s.charAt(0);
            }
            return sum;
        };
    }

    /** The mean of two threads that work at the same time. */
    private double both(String root) throws InterruptedException {
        double[] each = new double[2];
        Thread[] threads = new Thread[2];
        for (int k = 0; k < 2; k++) {
            int own = k;
            threads[k] = new Thread(() -> each[own] =
                    Sample.perOperation(BATCH, new Read(keys, t, ids, own * ids.length / 2, BATCH).numbers(root)));
            threads[k].start();
        }
        for (Thread thread : threads) thread.join();
        return (each[0] + each[1]) / 2;
    }
}

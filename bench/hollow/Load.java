import com.netflix.hollow.api.consumer.HollowConsumer;
import com.netflix.hollow.core.index.HollowPrimaryKeyIndex;
import com.netflix.hollow.core.memory.MemoryMode;

/** Times loads of a snapshot with its key index, and weighs the first. */
final class Load {
    static void run(String folder, String root, MemoryMode mode) throws Exception {
        Blobs blobs = new Blobs(folder, mode);
        double empty = Sample.live();
        long start = System.nanoTime();
        HollowConsumer c = blobs.at(0);
        HollowPrimaryKeyIndex keys = Blobs.keys(c.getStateEngine(), root);
        Sample.since("load_cold", start);
        Sample.emit("rss_peak", Sample.resident("VmHWM"));
        double bytes = Sample.live() - empty;
        Sample.emit("rss", Sample.resident("VmRSS"));
        Sample.emit("bytes", bytes);
        Sample.emit("records", c.getStateEngine().getTypeState(root).getPopulatedOrdinals().cardinality());
        if (keys.getRecordKey(0) == null) throw new IllegalStateException("no keys");
        for (int i = 0; i < 6; i++) {
            c = null;
            keys = null;
            System.gc();
            start = System.nanoTime();
            c = blobs.at(0);
            keys = Blobs.keys(c.getStateEngine(), root);
            if (i > 1) Sample.since("load_warm", start);
        }
        if (keys.getRecordKey(0) == null) throw new IllegalStateException("no keys");
    }
}

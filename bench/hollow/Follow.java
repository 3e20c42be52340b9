import com.netflix.hollow.api.consumer.HollowConsumer;
import com.netflix.hollow.core.index.HollowPrimaryKeyIndex;

/** Times deltas with the key index that follows them, with defaults and with the opt-in that skips shards. */
final class Follow {
    static void run(String folder, String root, int rounds) throws Exception {
        Blobs blobs = new Blobs(folder);
        long end = System.nanoTime() + 60_000_000_000L; // of ten million records two rounds are enough
        for (int round = 0; round < rounds && (round < 2 || System.nanoTime() < end); round++) {
            boolean warm = round > 0;
            HollowConsumer c = pass(blobs, blobs.consumer(), root, warm ? "delta@" : "delta_cold@");
            if (round == 0) Sample.text("digest", Digest.of(c.getStateEngine(), root));
        }
        pass(blobs, blobs.consumer().withSkipTypeShardUpdateWithNoAdditions(), root, "delta_skip_shards@");
    }

    private static HollowConsumer pass(Blobs blobs, HollowConsumer.Builder<?> how, String root, String metric) {
        HollowConsumer c = how.build();
        c.triggerRefreshTo(blobs.ids.get(0));
        HollowPrimaryKeyIndex keys = Blobs.keys(c.getStateEngine(), root);
        keys.listenForDeltaUpdates();
        System.gc();
        for (int i = 1; i < blobs.ids.size(); i++) {
            long start = System.nanoTime();
            c.triggerRefreshTo(blobs.ids.get(i));
            Sample.since(metric + blobs.ppm.get(i), start);
        }
        if (c.getCurrentVersionId() != blobs.ids.get(blobs.ids.size() - 1)) throw new IllegalStateException("chain is broken");
        keys.detachFromDeltaUpdates();
        return c;
    }
}

import com.netflix.hollow.core.read.engine.HollowReadStateEngine;
import com.netflix.hollow.tools.diff.HollowDiff;

/** Times HollowDiff on two versions of one chain; it does not use the chain. */
final class Compare {
    static void run(String folder, String root, int ppm) throws Exception {
        Blobs blobs = new Blobs(folder);
        int i = blobs.ppm.contains(ppm) ? blobs.ppm.indexOf(ppm) : blobs.ids.size() - 1;
        HollowReadStateEngine from = blobs.at(i - 1).getStateEngine(), to = blobs.at(i).getStateEngine();
        for (int round = 0; round < 3; round++) {
            System.gc();
            long start = System.nanoTime();
            HollowDiff diff = new HollowDiff(from, to, false);
            diff.addTypeDiff(root, "id");
            diff.calculateDiffs();
            Sample.since(round == 0 ? "diff_cold" : "diff", start);
            Sample.sink += diff.getTypeDiffs().size();
        }
        Sample.emit("diff_rss_peak", Sample.resident("VmHWM"));
    }
}

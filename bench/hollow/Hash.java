import com.netflix.hollow.api.consumer.HollowConsumer;
import com.netflix.hollow.core.index.HollowHashIndex;
import com.netflix.hollow.core.index.HollowHashIndexResult;
import com.netflix.hollow.core.read.engine.HollowReadStateEngine;
import com.netflix.hollow.core.read.engine.object.HollowObjectTypeReadState;
import com.netflix.hollow.core.read.iterator.HollowOrdinalIterator;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Builds and weighs hash indexes, and times what they do after each delta: a listening index is built anew. */
final class Hash {
    private final String name, type;
    private final HollowHashIndex index;

    private Hash(String name, String type, HollowHashIndex index) {
        this.name = name;
        this.type = type;
        this.index = index;
    }

    /** Each of the paths is NAME=PATH=TYPE, where TYPE holds the value at the end of the path. */
    static void run(String folder, String root, List<String> paths) throws Exception {
        Blobs blobs = new Blobs(folder);
        HollowConsumer c = blobs.at(0);
        List<Hash> all = new ArrayList<>();
        for (String path : paths) {
            String[] words = path.split("=");
            all.add(new Hash(words[0], words[2], build(c.getStateEngine(), root, words[0], words[1])));
        }
        System.gc();
        for (int i = 1; i < blobs.ids.size(); i++) {
            c.triggerRefreshTo(blobs.ids.get(i));
            for (Hash h : all) {
                long start = System.nanoTime();
                h.index.endUpdate();
                Sample.since("hash_" + h.name + "@" + blobs.ppm.get(i), start);
            }
        }
        for (Hash h : all) Sample.text("sum_" + h.name, h.sum(c.getStateEngine()));
    }

    private static HollowHashIndex build(HollowReadStateEngine state, String root, String name, String path) throws Exception {
        HollowHashIndex index = null;
        for (int i = 0; i < 6; i++) {
            index = null;
            double empty = Sample.live();
            long start = System.nanoTime();
            index = new HollowHashIndex(state, root, "", path);
            Sample.since(i < 2 ? "hash_build_cold_" + name : "hash_build_" + name, start);
            Sample.emit("hash_bytes_" + name, Sample.live() - empty);
        }
        return index;
    }

    /** What is under each key, summed up. */
    private String sum(HollowReadStateEngine state) {
        HollowObjectTypeReadState t = (HollowObjectTypeReadState) state.getTypeState(type);
        BitSet ordinals = t.getPopulatedOrdinals();
        Set<Object> seen = new HashSet<>();
        long keys = 0, sum = 0;
        for (int o = ordinals.nextSetBit(0); o >= 0; o = ordinals.nextSetBit(o + 1)) {
            Object key = value(t, o);
            HollowHashIndexResult found = seen.add(key) ? index.findMatches(key) : null;
            if (found == null) continue;
            keys++;
            HollowOrdinalIterator it = found.iterator();
            for (int m = it.next(); m != HollowOrdinalIterator.NO_MORE_ORDINALS; m = it.next()) sum += (m + 1L) * found.numResults();
        }
        return keys + " keys, " + sum;
    }

    private Object value(HollowObjectTypeReadState t, int o) {
        return switch (name) {
            case "person" -> t.readLong(o, t.getSchema().getPosition("id"));
            case "category" -> t.readInt(o, t.getSchema().getPosition("category"));
            default -> t.readString(o, t.getSchema().getPosition("value"));
        };
    }
}

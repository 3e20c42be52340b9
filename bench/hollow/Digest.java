import com.netflix.hollow.core.read.engine.HollowReadStateEngine;
import com.netflix.hollow.core.read.engine.HollowTypeReadState;
import com.netflix.hollow.core.read.engine.list.HollowListTypeReadState;
import com.netflix.hollow.core.read.engine.map.HollowMapTypeReadState;
import com.netflix.hollow.core.read.engine.object.HollowObjectTypeReadState;
import com.netflix.hollow.core.read.engine.set.HollowSetTypeReadState;
import com.netflix.hollow.core.read.iterator.HollowMapEntryOrdinalIterator;
import com.netflix.hollow.core.read.iterator.HollowOrdinalIterator;
import com.netflix.hollow.core.schema.HollowObjectSchema;
import java.util.BitSet;

/** The sum over every field of every record of a type and all below it; digest.go has its twin. */
final class Digest {
    private static final long PRIME = 0x9e3779b97f4a7c15L, NULL = 0x6e756c6cL;
    private final HollowReadStateEngine state;

    private Digest(HollowReadStateEngine state) { this.state = state; }

    static String of(HollowReadStateEngine state, String root) {
        Digest d = new Digest(state);
        HollowTypeReadState t = state.getTypeState(root);
        BitSet ordinals = t.getPopulatedOrdinals();
        long sum = 0;
        for (int o = ordinals.nextSetBit(0); o >= 0; o = ordinals.nextSetBit(o + 1)) sum += scramble(d.record(t, o));
        return String.format("%016x of %d", sum, ordinals.cardinality());
    }

    private static long scramble(long h) {
        h = (h ^ h >>> 32) * PRIME;
        return h ^ h >>> 29;
    }

    private long at(String type, int o) { return record(state.getTypeState(type), o); }

    private long record(HollowTypeReadState t, int o) {
        long h = 0;
        if (t instanceof HollowObjectTypeReadState object) {
            HollowObjectSchema schema = object.getSchema();
            for (int f = 0; f < schema.numFields(); f++)
                h += scramble(ofChars(schema.getFieldName(f)) + PRIME * field(object, o, f, schema));
        } else if (t instanceof HollowListTypeReadState list) {
            for (int i = 0, n = list.size(o); i < n; i++)
                h = h * 31 + at(list.getSchema().getElementType(), list.getElementOrdinal(o, i)) + 1;
        } else if (t instanceof HollowSetTypeReadState set) {
            HollowOrdinalIterator it = set.ordinalIterator(o);
            for (int e = it.next(); e != HollowOrdinalIterator.NO_MORE_ORDINALS; e = it.next())
                h += scramble(at(set.getSchema().getElementType(), e));
        } else if (t instanceof HollowMapTypeReadState map) {
            HollowMapEntryOrdinalIterator it = map.ordinalIterator(o);
            while (it.next())
                h += scramble(at(map.getSchema().getKeyType(), it.getKey()) * 31 + at(map.getSchema().getValueType(), it.getValue()));
        }
        return scramble(h);
    }

    private long field(HollowObjectTypeReadState t, int o, int f, HollowObjectSchema schema) {
        if (t.isNull(o, f)) return NULL;
        return switch (schema.getFieldType(f)) {
            case INT -> t.readInt(o, f);
            case LONG -> t.readLong(o, f);
            case BOOLEAN -> t.readBoolean(o, f) ? 1 : 2;
            case FLOAT -> Integer.toUnsignedLong(Float.floatToRawIntBits(t.readFloat(o, f)));
            case DOUBLE -> Double.doubleToRawLongBits(t.readDouble(o, f));
            case STRING -> ofChars(t.readString(o, f));
            case BYTES -> ofBytes(t.readBytes(o, f));
            case REFERENCE -> at(schema.getReferencedType(f), t.readOrdinal(o, f));
        };
    }

    private static long ofChars(String s) {
        long h = 0;
        for (int i = 0; i < s.length(); i++) h = h * 31 + s.charAt(i);
        return h;
    }

    private static long ofBytes(byte[] bytes) {
        long h = 0;
        for (byte b : bytes) h = h * 31 + (b & 0xff);
        return h;
    }
}

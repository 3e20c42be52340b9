import com.netflix.hollow.core.read.engine.HollowReadStateEngine;
import com.netflix.hollow.core.read.engine.HollowTypeReadState;
import com.netflix.hollow.core.read.engine.list.HollowListTypeReadState;
import com.netflix.hollow.core.read.engine.map.HollowMapTypeReadState;
import com.netflix.hollow.core.read.engine.object.HollowObjectTypeReadState;
import com.netflix.hollow.core.read.engine.set.HollowSetTypeReadState;
import com.netflix.hollow.core.read.iterator.HollowMapEntryOrdinalIterator;
import com.netflix.hollow.core.read.iterator.HollowOrdinalIterator;
import com.netflix.hollow.core.schema.HollowObjectSchema;
import com.netflix.hollow.core.schema.HollowSchema;
import java.util.ArrayList;
import java.util.Base64;
import java.util.BitSet;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Writes the canonical dump that the README of the golden vectors describes, without "dec". */
final class Dump {
    /**
     * The bits that the library gives a FLOAT or DOUBLE field that a delta does not have. They are a
     * NaN and not its own null; they mean null all the same.
     */
    private static final int ABSENT = -1;

    private final StringBuilder out;

    Dump(StringBuilder out) {
        this.out = out;
    }

    void state(HollowReadStateEngine engine, String version) {
        TreeMap<String, HollowTypeReadState> types = new TreeMap<>();
        for (HollowTypeReadState type : engine.getTypeStates()) {
            types.put(type.getSchema().getName(), type);
        }
        header(engine, version, types.values());
        for (HollowTypeReadState type : types.values()) {
            BitSet populated = type.getPopulatedOrdinals();
            for (int o = populated.nextSetBit(0); o >= 0; o = populated.nextSetBit(o + 1)) {
                record(type, o);
            }
        }
    }

    private void header(HollowReadStateEngine engine, String version, Collection<HollowTypeReadState> types) {
        out.append("{\"header\":{\"version\":");
        text(version);
        out.append(",\"stateTag\":\"").append(engine.getCurrentRandomizedTag()).append("\",\"tags\":{");
        String comma = "";
        for (Map.Entry<String, String> tag : new TreeMap<>(engine.getHeaderTags()).entrySet()) {
            out.append(comma);
            text(tag.getKey());
            out.append(':');
            text(tag.getValue());
            comma = ",";
        }
        out.append("},\"types\":[");
        comma = "";
        for (HollowTypeReadState type : types) {
            out.append(comma).append("{\"name\":");
            text(type.getSchema().getName());
            out.append(",\"kind\":\"").append(type.getSchema().getSchemaType());
            out.append("\",\"numShards\":").append(type.numShards());
            out.append(",\"records\":").append(type.getPopulatedOrdinals().cardinality()).append('}');
            comma = ",";
        }
        out.append("]}}\n");
    }

    private void record(HollowTypeReadState type, int ordinal) {
        HollowSchema schema = type.getSchema();
        out.append("{\"type\":");
        text(schema.getName());
        out.append(",\"ordinal\":").append(ordinal).append(",\"kind\":\"").append(schema.getSchemaType()).append("\",");
        switch (schema.getSchemaType()) {
            case OBJECT -> fields((HollowObjectTypeReadState) type, ordinal);
            case LIST -> elements(ordinals(((HollowListTypeReadState) type).ordinalIterator(ordinal)));
            case SET -> {
                List<Integer> elements = ordinals(((HollowSetTypeReadState) type).ordinalIterator(ordinal));
                elements.sort(null);
                elements(elements);
            }
            case MAP -> entries(((HollowMapTypeReadState) type).ordinalIterator(ordinal));
        }
        out.append("}\n");
    }

    private void fields(HollowObjectTypeReadState type, int ordinal) {
        HollowObjectSchema schema = type.getSchema();
        out.append("\"fields\":{");
        for (int f = 0; f < schema.numFields(); f++) {
            out.append(f == 0 ? "" : ",");
            text(schema.getFieldName(f));
            out.append(':');
            field(type, ordinal, f);
        }
        out.append('}');
    }

    private void field(HollowObjectTypeReadState type, int ordinal, int field) {
        if (type.isNull(ordinal, field)) {
            out.append("null");
            return;
        }
        switch (type.getSchema().getFieldType(field)) {
            case INT -> out.append(type.readInt(ordinal, field));
            case LONG -> out.append('"').append(type.readLong(ordinal, field)).append('"');
            case BOOLEAN -> out.append(type.readBoolean(ordinal, field));
            case REFERENCE -> out.append(type.readOrdinal(ordinal, field));
            case STRING -> text(type.readString(ordinal, field));
            case BYTES -> {
                out.append('"').append(Base64.getEncoder().encodeToString(type.readBytes(ordinal, field))).append('"');
            }
            case FLOAT -> {
                int bits = Float.floatToRawIntBits(type.readFloat(ordinal, field));
                out.append(bits == ABSENT ? "null" : String.format("{\"bits\":\"%08x\"}", bits));
            }
            case DOUBLE -> {
                long bits = Double.doubleToRawLongBits(type.readDouble(ordinal, field));
                out.append(bits == ABSENT ? "null" : String.format("{\"bits\":\"%016x\"}", bits));
            }
        }
    }

    private void elements(List<Integer> elements) {
        out.append("\"elements\":[");
        for (int i = 0; i < elements.size(); i++) {
            out.append(i == 0 ? "" : ",").append(elements.get(i));
        }
        out.append(']');
    }

    private void entries(HollowMapEntryOrdinalIterator entries) {
        List<int[]> list = new ArrayList<>();
        while (entries.next()) {
            list.add(new int[] {entries.getKey(), entries.getValue()});
        }
        list.sort(Comparator.comparingInt(entry -> entry[0]));
        out.append("\"entries\":[");
        for (int i = 0; i < list.size(); i++) {
            out.append(i == 0 ? "[" : ",[").append(list.get(i)[0]).append(',').append(list.get(i)[1]).append(']');
        }
        out.append(']');
    }

    private static List<Integer> ordinals(HollowOrdinalIterator elements) {
        List<Integer> list = new ArrayList<>();
        for (int o = elements.next(); o != HollowOrdinalIterator.NO_MORE_ORDINALS; o = elements.next()) {
            list.add(o);
        }
        return list;
    }

    /** Appends a JSON string in ASCII, or the code units if they are no well-formed text. */
    void text(String s) {
        if (s.codePoints().anyMatch(c -> c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE)) {
            out.append("{\"utf16\":\"");
            s.chars().forEach(c -> out.append(String.format("%04x", c)));
            out.append("\"}");
            return;
        }
        out.append('"');
        s.chars().forEach(c -> {
            int special = "\b\f\n\r\t\"\\".indexOf(c);
            if (special >= 0) {
                out.append('\\').append("bfnrt\"\\".charAt(special));
            } else if (c < 0x20 || c > 0x7e) {
                out.append(String.format("\\u%04x", c));
            } else {
                out.append((char) c);
            }
        });
        out.append('"');
    }
}

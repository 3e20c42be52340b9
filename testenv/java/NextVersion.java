import com.netflix.hollow.api.producer.HollowProducer;
import com.netflix.hollow.core.read.engine.HollowReadStateEngine;
import com.netflix.hollow.core.read.engine.HollowTypeReadState;
import com.netflix.hollow.core.read.engine.list.HollowListTypeReadState;
import com.netflix.hollow.core.read.engine.map.HollowMapTypeReadState;
import com.netflix.hollow.core.read.engine.object.HollowObjectTypeReadState;
import com.netflix.hollow.core.read.engine.set.HollowSetTypeReadState;
import com.netflix.hollow.core.read.iterator.HollowMapEntryOrdinalIterator;
import com.netflix.hollow.core.read.iterator.HollowOrdinalIterator;
import com.netflix.hollow.core.schema.HollowListSchema;
import com.netflix.hollow.core.schema.HollowMapSchema;
import com.netflix.hollow.core.schema.HollowObjectSchema;
import com.netflix.hollow.core.schema.HollowObjectSchema.FieldType;
import com.netflix.hollow.core.schema.HollowSetSchema;
import com.netflix.hollow.core.write.HollowListWriteRecord;
import com.netflix.hollow.core.write.HollowMapWriteRecord;
import com.netflix.hollow.core.write.HollowObjectWriteRecord;
import com.netflix.hollow.core.write.HollowSetWriteRecord;
import com.netflix.hollow.core.write.HollowWriteRecord;
import com.netflix.hollow.core.write.HollowWriteStateEngine;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;

/**
 * Populates the version after a restored one, whatever its schemas. Records that nothing refers to
 * are the roots. Of each type's roots, counted from 0, number 3n+1 is removed, number 3n+2 gets another
 * value in its fields outside the key, the others are kept; number 6n also gets a twin in which every
 * value is another one, as a new record.
 */
final class NextVersion implements HollowProducer.Populator {
    /** What becomes of the values of a copy. */
    private enum Values { SAME, OTHER_OUTSIDE_KEY, ALL_OTHER }

    private HollowReadStateEngine from;
    private HollowWriteStateEngine to;
    private final Map<String, Map<Integer, Integer>> kept = new HashMap<>(); // type -> old ordinal -> new

    @Override
    public void populate(HollowProducer.WriteState next) {
        from = next.getPriorState().getStateEngine();
        to = next.getStateEngine();
        Map<String, BitSet> referenced = referenced();
        for (HollowTypeReadState type : from.getTypeStates()) {
            String name = type.getSchema().getName();
            BitSet roots = (BitSet) type.getPopulatedOrdinals().clone();
            roots.andNot(referenced.getOrDefault(name, new BitSet()));
            int n = 0;
            for (int o = roots.nextSetBit(0); o >= 0; o = roots.nextSetBit(o + 1), n++) {
                if (n % 6 == 0) {
                    copy(name, o, Values.ALL_OTHER);
                }
                if (n % 3 != 1) {
                    copy(name, o, n % 3 == 2 ? Values.OTHER_OUTSIDE_KEY : Values.SAME);
                }
            }
        }
    }

    private Map<String, BitSet> referenced() {
        Map<String, BitSet> referenced = new HashMap<>();
        for (HollowTypeReadState type : from.getTypeStates()) {
            BitSet populated = type.getPopulatedOrdinals();
            for (int o = populated.nextSetBit(0); o >= 0; o = populated.nextSetBit(o + 1)) {
                // The copy is dropped: only its references are of interest.
                record(type, o, Values.SAME, (target, ordinal, values) -> {
                    referenced.computeIfAbsent(target, name -> new BitSet()).set(ordinal);
                    return ordinal;
                });
            }
        }
        return referenced;
    }

    /** Gives the new ordinal of a record that another one refers to. */
    private interface References {
        int map(String type, int ordinal, Values values);
    }

    /** Adds a copy of a record, and of all that it refers to, and returns its ordinal. */
    private int copy(String name, int ordinal, Values values) {
        Map<Integer, Integer> ordinals = kept.computeIfAbsent(name, type -> new HashMap<>());
        Integer done = values == Values.SAME ? ordinals.get(ordinal) : null;
        if (done != null) {
            return done;
        }
        HollowTypeReadState type = from.getTypeState(name);
        if (type == null || !type.getPopulatedOrdinals().get(ordinal)) {
            return ordinal; // a filter or an optional part keeps it out of reach
        }
        int added = to.add(name, record(type, ordinal, values, this::copy));
        if (values == Values.SAME) {
            ordinals.put(ordinal, added);
        }
        return added;
    }

    private HollowWriteRecord record(HollowTypeReadState type, int ordinal, Values values, References references) {
        return switch (type.getSchema().getSchemaType()) {
            case OBJECT -> object((HollowObjectTypeReadState) type, ordinal, values, references);
            case LIST -> list((HollowListTypeReadState) type, ordinal, references);
            case SET -> set((HollowSetTypeReadState) type, ordinal, references);
            case MAP -> map((HollowMapTypeReadState) type, ordinal, references);
        };
    }

    private static HollowWriteRecord list(HollowListTypeReadState type, int ordinal, References references) {
        HollowListSchema schema = type.getSchema();
        HollowListWriteRecord record = new HollowListWriteRecord();
        HollowOrdinalIterator elements = type.ordinalIterator(ordinal);
        for (int o = elements.next(); o != HollowOrdinalIterator.NO_MORE_ORDINALS; o = elements.next()) {
            record.addElement(references.map(schema.getElementType(), o, Values.SAME));
        }
        return record;
    }

    private static HollowWriteRecord set(HollowSetTypeReadState type, int ordinal, References references) {
        HollowSetSchema schema = type.getSchema();
        HollowSetWriteRecord record = new HollowSetWriteRecord();
        HollowOrdinalIterator elements = type.ordinalIterator(ordinal);
        for (int o = elements.next(); o != HollowOrdinalIterator.NO_MORE_ORDINALS; o = elements.next()) {
            record.addElement(references.map(schema.getElementType(), o, Values.SAME));
        }
        return record;
    }

    private static HollowWriteRecord map(HollowMapTypeReadState type, int ordinal, References references) {
        HollowMapSchema schema = type.getSchema();
        HollowMapWriteRecord record = new HollowMapWriteRecord();
        HollowMapEntryOrdinalIterator entries = type.ordinalIterator(ordinal);
        while (entries.next()) {
            record.addEntry(
                references.map(schema.getKeyType(), entries.getKey(), Values.SAME),
                references.map(schema.getValueType(), entries.getValue(), Values.SAME));
        }
        return record;
    }

    private static HollowWriteRecord object(
            HollowObjectTypeReadState type, int ordinal, Values values, References references) {
        HollowObjectSchema schema = type.getSchema();
        HollowObjectWriteRecord record = new HollowObjectWriteRecord(schema);
        for (int f = 0; f < schema.numFields(); f++) {
            if (type.isNull(ordinal, f)) {
                continue;
            }
            Values here = values == Values.OTHER_OUTSIDE_KEY && inKey(schema, f) ? Values.SAME : values;
            if (schema.getFieldType(f) != FieldType.REFERENCE) {
                value(record, type, ordinal, f, here != Values.SAME);
                continue;
            }
            // Only the twin's values differ all the way down.
            Values below = here == Values.ALL_OTHER ? Values.ALL_OTHER : Values.SAME;
            int target = references.map(schema.getReferencedType(f), type.readOrdinal(ordinal, f), below);
            record.setReference(schema.getFieldName(f), target);
        }
        return record;
    }

    private static boolean inKey(HollowObjectSchema schema, int field) {
        if (schema.getPrimaryKey() == null) {
            return false;
        }
        String name = schema.getFieldName(field);
        return Arrays.stream(schema.getPrimaryKey().getFieldPaths())
            .anyMatch(path -> path.equals(name) || path.startsWith(name + ".") || path.startsWith(name + "!"));
    }

    /** Copies a value that is not null, or another one in its place that is not null either. */
    private static void value(
            HollowObjectWriteRecord record, HollowObjectTypeReadState type, int ordinal, int f, boolean other) {
        String name = type.getSchema().getFieldName(f);
        switch (type.getSchema().getFieldType(f)) {
            case INT -> {
                int v = type.readInt(ordinal, f);
                int w = v ^ 0x2a5a5a5;
                record.setInt(name, other ? (w == Integer.MIN_VALUE ? 0 : w) : v); // that one means null
            }
            case LONG -> {
                long v = type.readLong(ordinal, f);
                long w = v ^ 0x2a5a5a5a5a5L;
                record.setLong(name, other ? (w == Long.MIN_VALUE ? 0 : w) : v);
            }
            case BOOLEAN -> record.setBoolean(name, type.readBoolean(ordinal, f) ^ other);
            case FLOAT -> record.setFloat(name, type.readFloat(ordinal, f) + (other ? 1 : 0));
            case DOUBLE -> record.setDouble(name, type.readDouble(ordinal, f) + (other ? 1 : 0));
            case STRING -> record.setString(name, type.readString(ordinal, f) + (other ? "\u00e9" : ""));
            case BYTES -> {
                byte[] v = type.readBytes(ordinal, f);
                record.setBytes(name, other ? Arrays.copyOf(v, v.length + 1) : v);
            }
            default -> throw new IllegalStateException("no value: " + name);
        }
    }
}

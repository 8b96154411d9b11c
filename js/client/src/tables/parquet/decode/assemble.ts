import type { Type } from '../schema.ts';
import { Unreadable } from './convert.ts';
import type { Leaf } from './leaf.ts';
import { Corrupt } from './levels.ts';
import { listOf, type Node } from './node.ts';
import type { Dense } from './values.ts';
import { NOTHING, setBit, type Values, type Vector } from './vector.ts';

/** Where values of a node stand: at entries that reach a level, and begin no deeper repetition. */
interface Slots {
  def: number;
  rep: number;
}

/** Lay the leaves of a column out as Arrow has it. */
export function assembled(type: Type, node: Node, leaves: (Leaf | undefined)[]): Vector {
  return built(type, node, leaves, { def: 0, rep: 0 });
}

/** So many nulls. */
export function nulls(type: Type, length: number): Vector {
  const none: Vector = {
    length,
    nullCount: length,
    validity: new Uint8Array((length + 7) >> 3),
  };
  switch (type.kind) {
    case 'struct':
      none.children = type.fields.map((field) => nulls(field.type, length));
      break;
    case 'list':
      none.offsets = new Int32Array(length + 1);
      none.children = [nulls(type.item.type, 0)];
      break;
    case 'map':
      none.offsets = new Int32Array(length + 1);
      none.children = [entries([nulls(type.key.type, 0), nulls(type.value.type, 0)])];
      break;
    case 'string':
    case 'binary':
      none.offsets = new Int32Array(length + 1);
      none.values = NOTHING;
      break;
    case 'boolean':
      none.values = new Uint8Array((length + 7) >> 3);
      break;
    case 'decimal':
      none.values = new BigUint64Array(2 * length);
      break;
    default:
      none.values = new ARRAYS[type.kind](length);
  }
  return none;
}

const ARRAYS = {
  byte: Int8Array,
  short: Int16Array,
  integer: Int32Array,
  long: BigInt64Array,
  float: Float32Array,
  double: Float64Array,
  date: Int32Array,
  timestamp: BigInt64Array,
  timestamp_ntz: BigInt64Array,
} as const;

function built(type: Type, node: Node, leaves: (Leaf | undefined)[], slots: Slots): Vector {
  switch (type.kind) {
    case 'struct':
      return struct(type.fields, node, leaves, slots);
    case 'list': {
      const [repeated, item] = listOf(node);
      if (!repeated || !item) throw new Unreadable('another list');
      const found = repeatedly(node, repeated, leaves, slots);
      const below = { def: repeated.def, rep: repeated.rep };
      return { ...found, children: [built(type.item.type, item, leaves, below)] };
    }
    case 'map': {
      const [repeated] = node.children;
      if (!repeated || repeated.children.length < 2) throw new Unreadable('another map');
      const found = repeatedly(node, repeated, leaves, slots);
      const below = { def: repeated.def, rep: repeated.rep };
      const [key, value] = repeated.children as [Node, Node];
      const inner = [
        built(type.key.type, key, leaves, below),
        built(type.value.type, value, leaves, below),
      ];
      return { ...found, children: [entries(inner)] };
    }
    default: {
      const leaf = node.leaf === undefined ? undefined : leaves[node.leaf];
      if (!leaf) throw new Unreadable(`a group for a column of the type ${type.kind}`);
      return scattered(leaf, node.def, slots, type);
    }
  }
}

function entries(children: Vector[]): Vector {
  return { length: children[0]?.length ?? 0, nullCount: 0, validity: NOTHING, children };
}

function struct(
  fields: { name: string; type: Type }[],
  node: Node,
  leaves: (Leaf | undefined)[],
  slots: Slots,
): Vector {
  if (node.leaf !== undefined) throw new Unreadable('a value for a struct');
  const found = validity(first(node, leaves), node.def, slots);
  const children = fields.map(({ name, type }) => {
    const child = node.children.find((below) => below.name === name);
    return child ? built(type, child, leaves, slots) : nulls(type, found.length);
  });
  return { ...found, children };
}

/** Any leaf below a node: all of them tell the same of it. */
function first(node: Node, leaves: (Leaf | undefined)[]): Leaf {
  if (node.leaf !== undefined && leaves[node.leaf]) return leaves[node.leaf] as Leaf;
  for (const child of node.children) {
    try {
      return first(child, leaves);
    } catch {
      // its neighbours may have been read
    }
  }
  throw new Corrupt(`the group ${node.name} without columns`);
}

function validity(leaf: Leaf, def: number, slots: Slots): Vector {
  if (!leaf.def && !leaf.rep) return { length: leaf.entries, nullCount: 0, validity: NOTHING };
  const bits = new Uint8Array((leaf.entries + 7) >> 3);
  let length = 0;
  let valid = 0;
  for (let at = 0; at < leaf.entries; at++) {
    if (leaf.rep && (leaf.rep[at] as number) > slots.rep) continue;
    const reached = leaf.def ? (leaf.def[at] as number) : 255;
    if (reached < slots.def) continue;
    if (reached >= def) {
      setBit(bits, length);
      valid++;
    }
    length++;
  }
  const nullCount = length - valid;
  return { length, nullCount, validity: nullCount ? bits.slice(0, (length + 7) >> 3) : NOTHING };
}

/** Which of the slots are lists, and how long. */
function repeatedly(
  node: Node,
  repeated: Node,
  leaves: (Leaf | undefined)[],
  slots: Slots,
): Vector {
  const leaf = first(repeated, leaves);
  // a list that is a repeated node itself is never null
  const found = validity(leaf, node === repeated ? slots.def : node.def, slots);
  const offsets = new Int32Array(found.length + 1);
  let slot = 0;
  let items = 0;
  for (let at = 0; at < leaf.entries; at++) {
    const rep = leaf.rep ? (leaf.rep[at] as number) : 0;
    const reached = leaf.def ? (leaf.def[at] as number) : 255;
    if (rep <= slots.rep && reached >= slots.def) offsets[slot++] = items;
    if (rep <= repeated.rep && reached >= repeated.def) items++;
  }
  offsets[slot] = items;
  return { ...found, offsets };
}

/** Values in the slots that have one. */
function scattered(leaf: Leaf, def: number, slots: Slots, type: Type): Vector {
  const found = validity(leaf, def, slots);
  const { values } = leaf;
  if (!values || found.length === found.nullCount) return nulls(type, found.length);
  if (found.nullCount === 0) return filled(found, values);
  const at = new Int32Array(found.length);
  let next = 0;
  for (let slot = 0; slot < found.length; slot++) {
    at[slot] = next;
    if (((found.validity[slot >> 3] as number) >> (slot & 7)) & 1) next++;
  }
  return filled(found, spread(values, at, found));
}

function filled(vector: Vector, values: Dense): Vector {
  if ('data' in values) return { ...vector, offsets: values.offsets, values: values.data };
  if (!(values instanceof Uint8Array)) return { ...vector, values };
  const bits = new Uint8Array((values.length + 7) >> 3);
  for (let at = 0; at < values.length; at++) if (values[at]) setBit(bits, at);
  return { ...vector, values: bits };
}

function spread(values: Dense, at: Int32Array, { length, validity }: Vector): Dense {
  if ('data' in values) {
    const offsets = new Int32Array(length + 1);
    for (let slot = 0; slot < length; slot++)
      offsets[slot] = values.offsets[at[slot] as number] as number;
    offsets[length] = values.offsets[values.offsets.length - 1] as number;
    return { offsets, data: values.data };
  }
  const width = values instanceof BigUint64Array ? 2 : 1;
  const found = new (values.constructor as new (length: number) => Values)(length * width);
  for (let slot = 0; slot < length; slot++) {
    if (!(((validity[slot >> 3] as number) >> (slot & 7)) & 1)) continue;
    const from = (at[slot] as number) * width;
    found[slot * width] = values[from] as never;
    if (width === 2) found[slot * 2 + 1] = values[from + 1] as never;
  }
  return found;
}

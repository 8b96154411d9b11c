import type { SchemaElement } from 'hyparquet';
import type { Type } from '../schema.ts';

/** An element of a file's schema, in its place. */
export interface Node {
  name: string;
  element: SchemaElement;
  children: Node[];
  /** The highest levels at it, its own included. */
  def: number;
  rep: number;
  repeated: boolean;
  /** Which of the columns of a row group; undefined for a group of columns. */
  leaf: number | undefined;
}

/** The columns of a file. */
export function readNodes(schema: readonly SchemaElement[]): Node[] {
  let at = 1;
  let leaf = 0;
  const next = (def: number, rep: number, depth: number): Node => {
    const element = schema[at++];
    if (!element || depth > 64) throw new Error('parquet schema that ends too early');
    const { repetition_type: how, num_children: count, name } = element;
    const repeated = how === 'REPEATED';
    const node: Node = {
      name,
      element,
      children: [],
      def: how === 'REQUIRED' ? def : def + 1,
      rep: repeated ? rep + 1 : rep,
      repeated,
      leaf: undefined,
    };
    if (element.type) node.leaf = leaf++;
    for (let child = 0; !element.type && child < (count ?? 0); child++) {
      node.children.push(next(node.def, node.rep, depth + 1));
    }
    return node;
  };
  return Array.from({ length: schema[0]?.num_children ?? 0 }, () => next(0, 0, 1));
}

/** The leaves that a column of a type is made of, and the type of each. */
export function leavesOf(type: Type, node: Node): { node: Node; type: Type }[] {
  if (node.leaf !== undefined) return [{ node, type }];
  const found = below(type, node);
  if (found.length > 0) return found;
  // none of what the table has now: which are null, another one tells
  const any = anyLeaf(node);
  return any ? [{ node: any, type: natural(any) }] : [];
}

function below(type: Type, node: Node): { node: Node; type: Type }[] {
  switch (type.kind) {
    case 'struct':
      return type.fields.flatMap((field) => {
        const child = node.children.find(({ name }) => name === field.name);
        return child ? leavesOf(field.type, child) : [];
      });
    case 'list': {
      const [, item] = listOf(node);
      return item ? leavesOf(type.item.type, item) : [];
    }
    case 'map': {
      const [key, value] = node.children[0]?.children ?? [];
      if (!key || !value) return [];
      return [...leavesOf(type.key.type, key), ...leavesOf(type.value.type, value)];
    }
    default:
      return [];
  }
}

/** The repeated node of a list, and what is repeated: writers have had three ways to say it. */
export function listOf(node: Node): [Node, Node] | [] {
  const repeated = node.repeated ? node : node.children[0];
  if (!repeated?.repeated) return [];
  const [only, ...more] = repeated.children;
  const named = repeated.name === 'array' || repeated.name === `${node.name}_tuple`;
  return [repeated, only && more.length === 0 && !named ? only : repeated];
}

function anyLeaf(node: Node): Node | undefined {
  return node.leaf === undefined ? node.children.map(anyLeaf).find(Boolean) : node;
}

/** The type that a leaf has by itself. */
function natural({ element }: Node): Type {
  switch (element.type) {
    case 'BOOLEAN':
      return { kind: 'boolean' };
    case 'INT32':
      return { kind: 'integer' };
    case 'INT64':
      return { kind: 'long' };
    case 'FLOAT':
      return { kind: 'float' };
    case 'DOUBLE':
      return { kind: 'double' };
    case 'INT96':
      return { kind: 'timestamp' };
    default:
      return { kind: 'binary' };
  }
}

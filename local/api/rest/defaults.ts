/**
 * `Prefer: missing=default` for rows that differ in their keys. lite stores the defaults but reports null for them; a
 * marked value that becomes DEFAULT in the statement makes both right.
 */
import {
  DefaultInsertValueNode,
  type KyselyPlugin,
  OperationNodeTransformer,
  type PrimitiveValueListNode,
  ValueListNode,
  ValueNode,
  type ValuesNode,
} from "kysely";

/** Stands for DEFAULT in a row; white space and control characters that no client sends. */
export const DEFAULT_MARK = "\v\f\vdefault";

function withDefaults(list: PrimitiveValueListNode): PrimitiveValueListNode | ValueListNode {
  if (!list.values.includes(DEFAULT_MARK)) return list;
  return ValueListNode.create(
    list.values.map((value) =>
      value === DEFAULT_MARK ? DefaultInsertValueNode.create() : ValueNode.create(value)
    ),
  );
}

class DefaultTransformer extends OperationNodeTransformer {
  protected override transformValues(node: ValuesNode): ValuesNode {
    const values = node.values.map((list) =>
      list.kind === "PrimitiveValueListNode" ? withDefaults(list as PrimitiveValueListNode) : list
    );
    return { ...node, values } as ValuesNode;
  }
}

const transformer = new DefaultTransformer();

/** Turns marked values of an INSERT into DEFAULT. */
export const defaultsPlugin: KyselyPlugin = {
  transformQuery: ({ node }) => node.kind === "InsertQueryNode" ? transformer.transformNode(node) : node,
  transformResult: ({ result }) => Promise.resolve(result),
};

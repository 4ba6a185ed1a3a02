/**
 * Conditions that are combined. Each comparison is true or false: with a missing value it is false, unless its operator says otherwise,
 * so that `not` is true there.
 */

export type Condition<Leaf extends object> =
  | Leaf
  | { readonly and: readonly Condition<Leaf>[] }
  | { readonly or: readonly Condition<Leaf>[] }
  | { readonly not: Condition<Leaf> }

interface Cases<Leaf extends object, T> {
  readonly and: (parts: readonly Condition<Leaf>[]) => T
  readonly or: (parts: readonly Condition<Leaf>[]) => T
  readonly not: (part: Condition<Leaf>) => T
  readonly leaf: (leaf: Leaf) => T
}

function byCase<Leaf extends object, T>(condition: Condition<Leaf>, cases: Cases<Leaf, T>): T {
  if ('and' in condition) return cases.and(condition.and)
  if ('or' in condition) return cases.or(condition.or)
  if ('not' in condition) return cases.not(condition.not)
  return cases.leaf(condition)
}

/** The comparisons of the conditions, in their order. */
export function leavesOf<Leaf extends object>(conditions: readonly Condition<Leaf>[]): Leaf[] {
  return conditions.flatMap((condition) =>
    byCase<Leaf, Leaf[]>(condition, {
      and: leavesOf,
      or: leavesOf,
      not: (part) => leavesOf([part]),
      leaf: (leaf) => [leaf],
    }),
  )
}

/** The comparisons that must hold whatever the others say. */
export function certainLeaves<Leaf extends object>(conditions: readonly Condition<Leaf>[]): Leaf[] {
  const none = (): Leaf[] => []
  return conditions.flatMap((condition) =>
    byCase<Leaf, Leaf[]>(condition, { and: certainLeaves, or: none, not: none, leaf: (leaf) => [leaf] }),
  )
}

/** The same conditions with other leaves. */
export function withLeaves<Leaf extends object, Other extends object>(
  condition: Condition<Leaf>,
  of: (leaf: Leaf) => Other,
): Condition<Other> {
  const each = (part: Condition<Leaf>): Condition<Other> => withLeaves(part, of)
  return byCase<Leaf, Condition<Other>>(condition, {
    and: (parts) => ({ and: parts.map(each) }),
    or: (parts) => ({ or: parts.map(each) }),
    not: (part) => ({ not: each(part) }),
    leaf: of,
  })
}

/** SQL that is true where the condition holds, and false or NULL elsewhere. */
export function conditionSql<Leaf extends object>(condition: Condition<Leaf>, sqlOf: (leaf: Leaf) => string): string {
  const joined = (parts: readonly Condition<Leaf>[], word: string, none: string): string =>
    parts.length === 0 ? none : `(${parts.map((part) => conditionSql(part, sqlOf)).join(` ${word} `)})`
  return byCase(condition, {
    and: (parts) => joined(parts, 'AND', 'true'),
    or: (parts) => joined(parts, 'OR', 'false'),
    not: (part) => `((${conditionSql(part, sqlOf)}) IS NOT TRUE)`,
    leaf: sqlOf,
  })
}

/**
 * Distributes partitions evenly over the members of a group, and moves as few as possible: each move costs the new owner the
 * replay of an open segment.
 */

export interface GroupMember {
  readonly id: string
  /** partitions that it reports to have had before */
  readonly owned: readonly number[]
}

/** Assigns each partition to exactly one member; the counts differ by at most one. Deterministic. */
export function spread(partitions: readonly number[], members: readonly GroupMember[]): Map<string, number[]> {
  const order = members.toSorted((a, b) => b.owned.length - a.owned.length || (a.id < b.id ? -1 : 1))
  const shares = new Map(order.map(({ id }): [string, number[]] => [id, []]))
  const [least, more] = [Math.floor(partitions.length / order.length), partitions.length % order.length]
  const free = new Set(partitions)
  for (const [index, { id, owned }] of order.entries()) {
    const room = least + (index < more ? 1 : 0)
    for (const partition of owned) {
      if (shares.get(id)!.length < room && free.delete(partition)) shares.get(id)!.push(partition)
    }
  }
  const left = [...free].sort((a, b) => a - b)
  for (const [index, { id }] of order.entries()) {
    const share = shares.get(id)!
    while (share.length < least + (index < more ? 1 : 0) && left.length > 0) share.push(left.shift()!)
    share.sort((a, b) => a - b)
  }
  return shares
}

/**
 * The partition of an event: FNV-1a (32 bit; Fowler, Noll and Vo) over the key's UTF-16 units, modulo the number of
 * partitions. This function must never change: all events of a key must stay in one partition.
 */
export function partitionOf(key: string, partitions: number): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < key.length; index++) {
    hash ^= key.charCodeAt(index)
    hash = Math.imul(hash, 0x01000193)
  }
  return (hash >>> 0) % partitions
}

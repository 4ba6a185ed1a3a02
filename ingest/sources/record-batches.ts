/** Cuts the records of a chunk into batches of bounded size. */

export function* inBatches<Record>(records: Iterable<Record>, recordsMax: number): Generator<Record[]> {
  let batch: Record[] = []
  for (const record of records) {
    batch.push(record)
    if (batch.length < recordsMax) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

/** Looks at the file of a speed store without opening it as one. */
import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'

/** Whether the store in this file counts events of an open segment. False if there is no file, or it cannot be read. */
export function countsEvents(file: string): boolean {
  if (!existsSync(file)) return false
  const db = new DatabaseSync(file, { readOnly: true })
  try {
    const row = db.prepare('SELECT count(*) AS n FROM markers WHERE through > segment_start').get() as { n: number }
    return row.n > 0
  } catch {
    return false
  } finally {
    db.close()
  }
}

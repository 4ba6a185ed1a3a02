/** `REPAIRED`: a random text, another one after each repair of a segment, by which others see that what they know of it may be wrong. */
import { randomUUID } from 'node:crypto'
import { isMissing } from '../lake-error.ts'
import type { Blobs } from './blobs.ts'

const REPAIRED = 'REPAIRED'

/** '': no segment was ever repaired */
export async function readRepairMark(blobs: Blobs): Promise<string> {
  try {
    return await blobs.read(REPAIRED)
  } catch (error) {
    if (isMissing(error)) return ''
    throw error
  }
}

/** Before a repair. */
export function changeRepairMark(blobs: Blobs): Promise<void> {
  return blobs.replace(REPAIRED, `${randomUUID()}\n`)
}

/** Errors for files that manifests name, with what to do. */
import { LakeError } from '../lake-error.ts'

/** @param name of the file, as `Blobs.nameOf` gives it */
export function missingFile(dataset: string, name: string, cause?: unknown): LakeError {
  const what = `'${name}' is named in a manifest, but does not exist; take a new snapshot, and if the file is still missing,`
  return new LakeError('file-missing', `lake, dataset '${dataset}': ${what} ${remedyOf(name)}`, { cause })
}

/** @param what is wrong with it, as the rest of a sentence */
export function damagedFile(dataset: string, name: string, what: string): LakeError {
  return new LakeError('file-damaged', `lake, dataset '${dataset}': '${name}' ${what}; ${remedyOf(name)}`)
}

export const OTHER_CHECKSUM = 'does not have the checksum in its manifest'

export function otherSize(bytes: number, expected: number): string {
  return `has ${bytes} bytes, but its manifest says ${expected}`
}

/** Raw events exist only once in the lake; generations can be rebuilt from them. */
function remedyOf(name: string): string {
  return /\/(generations|states|dictionaries)\//.test(name)
    ? 'restore it from a copy, or build a new generation with `watershed batch run --full`'
    : 'restore it from a copy'
}

/** Names of immutable files that any number of generations refer to: a name holds the content's SHA-256, so it never means other content. */
import type { LakeFile } from './segment-manifest.ts'

/** `states`: rows of a view; `dictionaries`: entries of a dictionary */
export type ContentKind = 'states' | 'dictionaries'

export const CONTENT_KINDS: readonly ContentKind[] = ['states', 'dictionaries']

const CONTENT = /^(states|dictionaries)\/[A-Za-z0-9_-]+\/[0-9a-f]{64}\.parquet$/

/** `states/by_country/<sha256>.parquet`, relative to the dataset's folder. @throws RangeError for a name that is not a view's or a dictionary's */
export function contentPath(kind: ContentKind, name: string, sha256: string): string {
  const path = `${kind}/${name}/${sha256}.parquet`
  if (CONTENT.test(path)) return path
  throw new RangeError(`lake: '${name}' is not a valid name for ${kind}`)
}

export function isContentPath(path: string): boolean {
  return CONTENT.test(path)
}

/** Whether the file has a name of its content already; generations of earlier versions have files of their own. */
export function isNamedByContent({ path, sha256 }: LakeFile): boolean {
  return isContentPath(path) && path.endsWith(`/${sha256}.parquet`)
}

/** Keeps the server's file system out of answers: faults of storage name files by their path, for the log and for operators. */

/** 'in quotes', which may hold spaces, and bare; not a part of a URL */
const QUOTED = /(['"])\/(?:[^'"/\n]+\/)*([^'"/\n]+)\/?\1/g
const BARE = /(?<![\w:/.\-'"])\/(?:[^\s'"/,;:()]+\/)+([^\s'"/,;:()]+)\/?/g

/**
 * The text with only the last name of each absolute path.
 *
 * ```ts
 * withoutPaths("lake: writing '/var/lib/shop data/CURRENT': the disk is full") // "lake: writing 'CURRENT': the disk is full"
 * ```
 */
export function withoutPaths(text: string): string {
  return text.replace(QUOTED, '$1$2$1').replace(BARE, '$1')
}

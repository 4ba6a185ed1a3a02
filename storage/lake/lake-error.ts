/** Faults of the lake's files, as a closed table: handlers decide by `code`. */
export const LAKE_ERROR_CODES = {
  /** a manifest or CURRENT is torn, foreign or edited */
  'manifest-damaged': { retryable: false },
  /** a manifest in the format of a newer version of Watershed, or of one that is too old */
  'manifest-format': { retryable: false },
  /** a file that a manifest names does not exist: removed by retention under a slow reader, or lost */
  'file-missing': { retryable: true },
  /** the bytes of a file that a manifest names differ from those that were committed */
  'file-damaged': { retryable: false },
  /** the segments of a partition are not contiguous from offset 0, or overlap */
  'chain-broken': { retryable: true },
  /** segments or generations of another log, or a boundary that the segments do not reach */
  'log-mismatch': { retryable: false },
  /** a generation that does not exist, or that must not be removed */
  'generation-unknown': { retryable: false },
  /** CURRENT names a generation that does not exist: lost, or not restored */
  'generation-lost': { retryable: false },
  'generation-current': { retryable: false },
  /** a manifest of the same name exists already with other content */
  'already-committed': { retryable: false },
  /** a changed view would lose what it counted of raw events that were removed by policy */
  'raw-removed': { retryable: false },
  /** the lock of the work was taken over by another process: nothing is published any more */
  'lock-lost': { retryable: true },
  /** what was to be replaced is not what it was */
  'replaced-meanwhile': { retryable: true },
  /** the object store cannot be reached, or does not answer as it should */
  'storage-unavailable': { retryable: true },
  /** the local cache of objects has no room for what is read at once */
  'cache-full': { retryable: true },
  'disk-full': { retryable: true },
  'not-writable': { retryable: true },
} as const satisfies Record<string, { retryable: boolean }>

export type LakeErrorCode = keyof typeof LAKE_ERROR_CODES

/** A fault of the lake: says what happened, where, and what to do. */
export class LakeError extends Error {
  readonly code: LakeErrorCode
  /** whether the same call can succeed later without a repair of files */
  readonly retryable: boolean

  constructor(code: LakeErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.name = 'LakeError'
    this.code = code
    this.retryable = LAKE_ERROR_CODES[code].retryable
  }
}

/** Whether a manifest or CURRENT is damaged or gone; one in the format of another version is not: nothing may take its place. */
export function isUnreadable(error: unknown): error is LakeError {
  return error instanceof LakeError && (error.code === 'manifest-damaged' || error.code === 'generation-lost')
}

const FAULTS: Readonly<Record<string, { readonly code: LakeErrorCode; readonly what: string }>> = {
  ENOSPC: { code: 'disk-full', what: 'the disk is full; free some space, work then resumes automatically' },
  EDQUOT: { code: 'disk-full', what: 'the disk quota is used up; raise it or free some space' },
  EROFS: {
    code: 'not-writable',
    what: 'the file system is read-only; mount it writable or choose another data folder',
  },
  EACCES: {
    code: 'not-writable',
    what: 'permission denied; give this user write access or choose another data folder',
  },
  EPERM: { code: 'not-writable', what: 'the operation is not permitted; check the owner and the file system' },
}

/** The engine reports system errors only as text. */
const FAULT_TEXTS: readonly (readonly [RegExp, string])[] = [
  [/no space left on device|database or disk is full/i, 'ENOSPC'],
  [/disk quota exceeded/i, 'EDQUOT'],
  [/read-only file system/i, 'EROFS'],
  [/permission denied/i, 'EACCES'],
]

/** Converts an error of the system or the engine into one that names the file and the remedy; other errors are returned unchanged. */
export function explainFault(error: unknown, doing: string, path: string): unknown {
  if (error instanceof LakeError) return error
  const fault = FAULTS[faultCode(error)]
  return fault ? new LakeError(fault.code, `lake: ${doing} '${path}': ${fault.what}`, { cause: error }) : error
}

function faultCode(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | null)?.code
  if (typeof code === 'string' && code in FAULTS) return code
  const text = error instanceof Error ? error.message : ''
  return FAULT_TEXTS.find(([pattern]) => pattern.test(text))?.[1] ?? ''
}

/** Whether the error means that a file or folder does not exist. */
export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | null)?.code === 'ENOENT'
}

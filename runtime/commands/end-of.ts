/** Maps each kind of fault to an exit code. */
import { CommanderError } from 'commander'
import { DefinitionError } from '#core/definition-error.ts'
import { DictionaryFileError } from '#datasets/dictionaries/dictionary-file.ts'
import { FileSourceError } from '#ingest/file-source.ts'
import {
  AnswerTooLargeError,
  BeyondFormatError,
  CursorExpiredError,
  LiveMissingError,
  NeedsBackfillError,
  PartialsCompactedError,
  PositionNotReachedError,
  QueryError,
  QueryTimeoutError,
  UnknownViewError,
} from '#serving/answers/query-error.ts'
import { SnapshotError } from '#serving/answers/snapshot.ts'
import { saidNames } from '#serving/answers/unknown-name.ts'
import { isStorageFault } from '#serving/http/problems.ts'
import { EngineMemoryError } from '#storage/engine/engine-connection.ts'
import { LakeError } from '#storage/lake/lake-error.ts'
import { TrinoError } from '#storage/trino/trino-error.ts'
import { ConfigurationError } from '../settings/configuration-error.ts'
import { isBadContent } from './bad-content.ts'
import { CommandError, EXIT_CODES, type ExitName } from './exit-codes.ts'

/** The exit code and message for an error of a command. */
export function endOf(error: unknown): { readonly exit: ExitName; readonly message: string } {
  if (error instanceof CommanderError) return { exit: error.exitCode === 0 ? 'done' : 'usage', message: '' }
  if (!(error instanceof Error)) return { exit: 'fault', message: String(error) }
  return { exit: exitOf(error), message: messageOf(error) }
}

const ASKED_WRONG = [QueryError, AnswerTooLargeError, BeyondFormatError, CursorExpiredError]

function exitOf(error: Error): ExitName {
  if (error instanceof CommandError) return error.exit
  if (error instanceof ConfigurationError) return 'configuration'
  if (ASKED_WRONG.some((each) => error instanceof each)) return 'usage'
  if (error instanceof LakeError && error.code === 'generation-unknown') return 'usage'
  if (error instanceof LakeError && error.code === 'raw-removed') return 'definition'
  if (error instanceof DefinitionError || error instanceof NeedsBackfillError) return 'definition'
  if (error instanceof QueryTimeoutError || error instanceof PositionNotReachedError) return 'timeout'
  if (error instanceof EngineMemoryError) return 'storage'
  if (error instanceof LiveMissingError || error instanceof SnapshotError || error instanceof PartialsCompactedError)
    return 'storage'
  if (error instanceof TrinoError || error.cause instanceof TrinoError) return 'storage'
  if (isStorageFault(error) || isStorageFault(error.cause)) return 'storage'
  // A missing file is a storage fault; an invalid one is a fault of its content.
  if (error instanceof DictionaryFileError && !isSystemError(error.cause)) return 'definition'
  if (error instanceof FileSourceError && isBadContent(error.cause)) return 'definition'
  return isSystemError(error) || isSystemError(error.cause) ? 'storage' : 'fault'
}

/** ENOENT, EACCES, ENOSPC …, or SQLite's. */
function isSystemError(error: unknown): boolean {
  const { code } = (error ?? {}) as NodeJS.ErrnoException
  return code !== undefined && /^(E[A-Z]+|ERR_SQLITE_ERROR)$/.test(code)
}

/** An unexpected fault also shows its stack. */
function messageOf(error: Error): string {
  if (error instanceof CommandError) return error.message
  // Over HTTP a member of the problem lists them. What is said of a view has its names already.
  if (error instanceof QueryError && !(error instanceof UnknownViewError) && error.allowed.length > 0)
    return `${error.message}; allowed: ${saidNames(error.allowed)}`
  return exitOf(error) === 'fault' ? (error.stack ?? error.message) : error.message
}

export function exitCode(exit: ExitName): number {
  return EXIT_CODES[exit].code
}

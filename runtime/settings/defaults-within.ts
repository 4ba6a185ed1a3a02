/**
 * Defaults of `start` where the machine, or the container that it runs in, has less memory than the roles may use together by default: three
 * engines with up to 2.8 GB, and what JavaScript and the C library take beside them.
 */
import { totalmem } from 'node:os'

const MIB = 1024 * 1024
/** what the three processes take beside their engines while everything that has a limit is at it, with room for the cache of files */
const BESIDE_ENGINES_MIB = 768
/** those of serve, stream and batch */
const ENGINES = 3
const ENGINE_MIB_MIN = 128
/** from here on nothing has to be smaller than its default */
const ENGINE_MIB_MAX = 1_024
const BATCH_MB_MAX = 768
/** the part of the stream engine's memory that may be held as bytes of open events */
const OPEN_SHARE = 2

/**
 * ```ts
 * defaultsWithin(1536 * 1024 * 1024) // { serveMemoryMb: 256, streamMemoryMb: 256, batchMemoryMb: 256, openBytesMax: 134217728 }
 * defaultsWithin(8 * 1024 ** 3) // {}: the defaults of the schema fit
 * ```
 * @param bytes memory that all roles have together @returns values by setting, for those that are not set
 */
export function defaultsWithin(bytes: number): Readonly<Record<string, number>> {
  const mib = Math.floor((bytes / MIB - BESIDE_ENGINES_MIB) / ENGINES)
  if (mib >= ENGINE_MIB_MAX) return {}
  const engine = Math.max(ENGINE_MIB_MIN, mib)
  return {
    serveMemoryMb: engine,
    streamMemoryMb: engine,
    batchMemoryMb: Math.min(engine, BATCH_MB_MAX),
    openBytesMax: (engine * MIB) / OPEN_SHARE,
  }
}

/** Memory of the machine, or the memory limit of the container if that is lower, in bytes. */
export function memoryAtHand(): number {
  const limit = process.constrainedMemory()
  // 0: no limit, or an unknown one.
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem()
}

/** The bytes of a written export: its file, and what is put around it. */
import { ShortLived } from '#core/collect-garbage.ts'
import type { ExportFile } from './export-file.ts'

const READ_BYTES = 256 * 1024
/** pieces that were sent, until their memory is given back */
const PIECES_KEPT_MAX = 8
const BOM = '\uFEFF'

export interface ExportBytes {
  readonly length: number
  /** Reads as fast as they are taken, and closes the file at the end, or when nobody takes more. */
  readonly pieces: AsyncGenerator<Buffer>
}

/** @param bom whether a byte order mark comes first */
export function exportBytes(file: ExportFile, { bom }: { readonly bom: boolean }): ExportBytes {
  const before = (bom ? BOM : '') + file.before
  const own = file.bytes - Math.min(file.skipBytes, file.bytes)
  return {
    length: Buffer.byteLength(before) + own + Buffer.byteLength(file.after),
    pieces: piecesOf(file, before),
  }
}

async function* piecesOf({ handle, skipBytes, after }: ExportFile, before: string): AsyncGenerator<Buffer> {
  try {
    if (before !== '') yield Buffer.from(before)
    const sent = new ShortLived(PIECES_KEPT_MAX)
    for (let at = skipBytes; ; ) {
      const { bytesRead, buffer } = await handle.read({ buffer: Buffer.allocUnsafe(READ_BYTES), position: at })
      if (bytesRead === 0) break
      at += bytesRead
      yield buffer.subarray(0, bytesRead)
      sent.made()
    }
    if (after !== '') yield Buffer.from(after)
  } finally {
    await handle.close()
  }
}

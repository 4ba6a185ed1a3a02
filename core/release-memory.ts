/**
 * Frees the memory of a large buffer without waiting for garbage collection. Every 64 MiB of unreachable buffers cause a full
 * collection, and at the rate of request bodies these take more time than the work itself.
 * Only for bytes that nobody uses any more: the buffer is empty afterwards. Buffers that share their memory are left alone.
 */
export function releaseMemory({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}

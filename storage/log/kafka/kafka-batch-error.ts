/** A record batch that cannot be read: damaged, or larger than any that is accepted. Its records are not skipped. */
export class KafkaBatchError extends Error {
  constructor(firstOffset: number, why: string, cause?: unknown) {
    super(`the Kafka record batch at offset ${firstOffset}: ${why}`, { cause })
    this.name = 'KafkaBatchError'
  }
}

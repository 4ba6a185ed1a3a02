/** Two more requests that the client library does not offer: which transactions are open in a partition, and whose a transactional id is. Supported by brokers from 3.0 on. */
import type { Offset } from '#core/offsets.ts'
import { KafkaWriter } from './kafka-bytes.ts'
import { type RawRequest, rawRequest } from './kafka-requests.ts'

/** Records of a producer that its partition's leader waits to hear the fate of. */
export interface OpenTransaction {
  readonly partition: number
  readonly producerId: bigint
  /** of its first record in the partition */
  readonly start: Offset
}

export interface OpenTransactions {
  readonly errorCode: number
  readonly open: readonly OpenTransaction[]
}

/** DescribeProducers (61): by partition, those that are in a transaction. */
export function openTransactionsRequest(topic: string, partitions: readonly number[]): RawRequest<OpenTransactions> {
  const body = new KafkaWriter().tags().compactArray([topic], () => {})
  body
    .compactText(topic)
    .compactArray(partitions, (partition) => body.int32(partition))
    .tags()
    .tags()
  return rawRequest('DescribeProducers', 61, 0, body.bytes(), (reader): OpenTransactions => {
    reader.int32()
    let errorCode = 0
    const open: OpenTransaction[] = []
    reader.compactArray(() => {
      reader.compactText()
      reader.compactArray(() => {
        const [partition, code] = [reader.int32(), reader.int16()]
        errorCode ||= code
        reader.compactText()
        reader.compactArray(() => {
          const producerId = reader.int64()
          // epoch, last sequence, last time, epoch of the coordinator
          reader.advance(4 + 4 + 8 + 4)
          const start = Number(reader.int64())
          reader.tags()
          if (start >= 0) open.push({ partition, producerId, start })
        })
        reader.tags()
      })
      reader.tags()
    })
    return { errorCode, open }
  })
}

export interface TransactionOwner {
  readonly errorCode: number
  readonly producerId: bigint
  readonly producerEpoch: number
}

/** DescribeTransactions (65): the producer that was initialised with the id last. Asked of the id's coordinator. */
export function ownerRequest(transactionalId: string): RawRequest<TransactionOwner> {
  const body = new KafkaWriter().tags().compactArray([transactionalId], () => {})
  body.compactText(transactionalId).tags()
  return rawRequest('DescribeTransactions', 65, 0, body.bytes(), (reader) => {
    reader.int32()
    const [owner] = reader.compactArray((): TransactionOwner => {
      const errorCode = reader.int16()
      reader.compactText()
      reader.compactText()
      reader.int32()
      reader.int64()
      const [producerId, producerEpoch] = [reader.int64(), reader.int16()]
      reader.compactArray(() => {
        reader.compactText()
        reader.compactArray(() => reader.int32())
        reader.tags()
      })
      reader.tags()
      return { errorCode, producerId, producerEpoch }
    })
    if (owner === undefined) throw new Error(`Kafka says nothing of the transactional id '${transactionalId}'`)
    return owner
  })
}

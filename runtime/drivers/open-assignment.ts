/** The partitions that a stream worker owns: all of an embedded log; on Kafka, its share within the consumer group. */
import type { EventLog } from '#storage/log/event-log.ts'
import { AllPartitions, type PartitionAssignment } from '#storage/log/partition-assignment.ts'
import type { Emit } from '#telemetry/emit.ts'
import type { Configuration } from '../settings/settings.ts'
import { kafkaClientOf } from './open-log.ts'

/** Creates it without starting it. */
export async function openAssignment(
  configuration: Configuration,
  dataset: string,
  log: EventLog,
  emit: Emit,
): Promise<PartitionAssignment> {
  if (configuration.log === 'sqlite') return new AllPartitions(log)
  const { KafkaGroup } = await import('#storage/log/kafka/kafka-group.ts')
  const { groupPrefix, sessionMsMax } = configuration.kafka
  const groupId = `${groupPrefix}${dataset}`
  return new KafkaGroup({ ...kafkaClientOf(configuration, dataset, emit), groupId, sessionMsMax })
}

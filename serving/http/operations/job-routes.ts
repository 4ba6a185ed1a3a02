/** Batch runs, backfills and verifications: list, start, cancel, and their progress. */
import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { servedUnder } from '#serving/answers/unknown-name.ts'
import { JSON_TYPE, responsesOf } from '#serving/http/contract/openapi.ts'
import { DATASET_PARAMS, NO_QUERY } from '#serving/http/contract/request-schemas.ts'
import { JOB, JOB_BODY, JOB_PROGRESS, JOBS } from '#serving/http/contract/schemas/jobs.ts'
import { ProblemError } from '#serving/http/problems.ts'
import { whenGone, whenOver } from '#serving/http/queries/in-turn.ts'
import { type JobLedger, TooManyJobsError } from '#storage/jobs/job-ledger.ts'
import { JOB_STATES } from '#storage/jobs/job-record.ts'
import { jobEvents } from './job-progress.ts'
import { jobNow, type ShownJob, shownJob } from './shown-job.ts'

/** open progress streams of this process */
export const PROGRESS_STREAMS_MAX = 64

const JOB_PARAMS = DATASET_PARAMS.extend({ job: z.string().describe('Id of a job') })
const JOBS_QUERY = z.strictObject({ state: z.enum(JOB_STATES).optional().describe('Only jobs in this state') })

const LIST = {
  operationId: 'listJobs',
  summary: 'List the jobs of a dataset, the newest first: batch runs, backfills and verifications',
  params: DATASET_PARAMS,
  querystring: JOBS_QUERY,
  response: responsesOf(200, 'The jobs', JSON_TYPE, JOBS, ['bad-query', 'not-found']),
}
const START = {
  operationId: 'startJob',
  summary: 'Start a batch run, a backfill or a verification; one that waits already and is the same is not doubled',
  params: DATASET_PARAMS,
  querystring: NO_QUERY,
  body: JOB_BODY,
  response: responsesOf(202, 'The job, which a batch role will run', JSON_TYPE, JOB, [
    'bad-query',
    'not-found',
    'operator-only',
    'too-large',
    'unsupported-type',
    'busy',
    'storage-fault',
  ]),
}
const SHOW = {
  operationId: 'showJob',
  summary: 'Show a job: its state, progress and outcome',
  params: JOB_PARAMS,
  querystring: NO_QUERY,
  response: responsesOf(200, 'The job', JSON_TYPE, JOB, ['bad-query', 'not-found']),
}
const FOLLOW = {
  operationId: 'followJob',
  summary: 'Follow a job as server-sent events until it has ended',
  params: JOB_PARAMS,
  querystring: NO_QUERY,
  response: responsesOf(200, 'Its progress', 'text/event-stream', JOB_PROGRESS, ['bad-query', 'not-found', 'busy']),
}
const CANCEL = {
  operationId: 'cancelJob',
  summary: 'Cancel a job that waits or runs; nothing of it is published',
  params: JOB_PARAMS,
  querystring: NO_QUERY,
  response: responsesOf(202, 'The job, which ends soon', JSON_TYPE, JOB, [
    'bad-query',
    'not-found',
    'operator-only',
    'job-ended',
    'too-large',
    'unsupported-type',
  ]),
}

export function jobRoutes(plain: FastifyInstance, jobs: ReadonlyMap<string, JobLedger>): void {
  const app = plain.withTypeProvider<ZodTypeProvider>()
  let following = 0
  const found = async (
    dataset: string,
    id: string,
  ): Promise<{ readonly ledger: JobLedger; readonly job: ShownJob }> => {
    const ledger = servedUnder(jobs, dataset)
    const job = await jobNow(ledger, id)
    if (job === null) throw new ProblemError('not-found', `'${dataset}' has no job '${id}'; old jobs are removed`)
    return { ledger, job }
  }
  app.get('/v1/datasets/:dataset/jobs', { schema: LIST }, async ({ params, query: { state } }) => {
    const ledger = servedUnder(jobs, params.dataset)
    const hasRunner = await ledger.hasRunner()
    const listed = (await ledger.list()).filter((job) => state === undefined || job.state === state)
    return { jobs: listed.map((job) => shownJob(job, hasRunner)) }
  })
  app.post('/v1/datasets/:dataset/jobs', { schema: START }, async ({ params, body: { kind, mode } }, reply) => {
    const ledger = servedUnder(jobs, params.dataset)
    if (mode !== undefined && kind !== 'batch')
      throw new ProblemError('bad-query', `mode: only a batch run has one, not a ${kind}`, { field: 'mode' })
    const wanted = { kind, mode: kind === 'batch' ? (mode ?? 'incremental') : null } as const
    const job = await ledger.ask(wanted).catch((error: Error) => {
      throw error instanceof TooManyJobsError ? new ProblemError('busy', error.message) : error
    })
    reply.header('location', `/v1/datasets/${params.dataset}/jobs/${job.id}`)
    return reply.code(202).send(shownJob(job, await ledger.hasRunner()))
  })
  app.get('/v1/datasets/:dataset/jobs/:job', { schema: SHOW }, async ({ params: { dataset, job } }) => {
    return (await found(dataset, job)).job
  })
  app.get(
    '/v1/datasets/:dataset/jobs/:job/progress',
    { schema: FOLLOW, exposeHeadRoute: false },
    async ({ params }, reply) => {
      const { ledger, job } = await found(params.dataset, params.job)
      if (following >= PROGRESS_STREAMS_MAX)
        throw new ProblemError(
          'busy',
          `${PROGRESS_STREAMS_MAX} progress streams are open; poll the job, or retry later`,
        )
      following++
      whenOver(reply, () => following--)
      const events = jobEvents(ledger, job, whenGone(reply))
      return reply.type('text/event-stream').header('x-accel-buffering', 'no').send(Readable.from(events))
    },
  )
  app.post('/v1/datasets/:dataset/jobs/:job/cancel', { schema: CANCEL }, async ({ params }, reply) => {
    const { ledger, job } = await found(params.dataset, params.job)
    if (!(await ledger.cancel(params.job))) throw new ProblemError('job-ended', `the job has ended: it is ${job.state}`)
    return reply.code(202).send((await found(params.dataset, params.job)).job)
  })
}

/**
 * Compares every response that a test in this process gets from an application with the schemas of its route: a status, a content type or
 * a member that the API document does not have is a failure of the test file.
 */
import { subscribe } from 'node:diagnostics_channel'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { afterAll, expect } from 'vitest'
import type { z } from 'zod'

/** A response of a route, as openapi.ts declares it. */
interface Declared {
  readonly content?: Readonly<Record<string, { readonly schema: z.ZodType }>>
}

/** Of all files that run in this process, one after the other: what is imported once more adds no second check. */
const KEY = Symbol.for('watershed response checks')
const here = globalThis as { [KEY]?: Set<string> }
const isFirst = here[KEY] === undefined
here[KEY] ??= new Set()
const faults = here[KEY]

/** Responses without a body, and what is sent as a stream, are compared by status and type only. */
function check(request: FastifyRequest, reply: FastifyReply, payload: unknown): void {
  const { schema, url } = request.routeOptions
  if (request.is404 || schema?.response === undefined) return
  const { statusCode } = reply
  const place = `${request.method} ${url}: ${statusCode}`
  const declared = (schema.response as Readonly<Record<string, Declared | undefined>>)[statusCode]
  if (declared === undefined) return void faults.add(`${place} is not declared: ${textOf(payload)}`)
  const type = String(reply.getHeader('content-type') ?? '').split(';')[0]!
  if (payload === null || payload === undefined || payload === '') return
  const found = declared.content?.[type]
  if (found === undefined) return void faults.add(`${place}: the type '${type}' is not declared`)
  if (request.method === 'HEAD' || (typeof payload !== 'string' && !Buffer.isBuffer(payload))) return
  const value: unknown = /\bjson$/.test(type) ? JSON.parse(payload.toString()) : payload.toString()
  const { error } = found.schema.safeParse(value)
  if (error !== undefined) faults.add(`${place} does not match its schema: ${error.message}\n${textOf(payload)}`)
}

function textOf(payload: unknown): string {
  return typeof payload === 'string' || Buffer.isBuffer(payload) ? payload.toString().slice(0, 500) : typeof payload
}

if (isFirst)
  subscribe('fastify.initialization', (message) => {
    const { fastify } = message as { readonly fastify: FastifyInstance }
    fastify.addHook('onSend', async (request, reply, payload) => check(request, reply, payload))
  })

afterAll(() => {
  const found = [...faults]
  faults.clear()
  expect(found).toEqual([])
})

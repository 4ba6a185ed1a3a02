/** Why a question has no current answer. */
import { RefusedError, UnreachableError } from './api.ts'

export interface Fault {
  readonly kind: 'unreachable' | 'refused' | 'signed-out'
  readonly title: string
  readonly detail: string
  readonly retryable: boolean
}

export function faultOf(error: unknown): Fault {
  if (error instanceof RefusedError) {
    const { title, message: detail, retryable, status } = error
    return { kind: status === 401 ? 'signed-out' : 'refused', title, detail, retryable }
  }
  const detail = error instanceof UnreachableError ? error.message : String(error)
  return { kind: 'unreachable', title: 'The server does not answer', detail, retryable: true }
}

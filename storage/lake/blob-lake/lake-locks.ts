/** Port: who may do what in a lake. Drivers: local-lock (a file that the operating system locks), lease-locks (a lease in an object store). */
import type { HeldLock, LakeWork } from '../lake.ts'

export interface LakeLocks {
  /** see Lake.tryLock */
  tryLock(work: LakeWork): Promise<HeldLock | null>
  /**
   * Before something is published or removed: proves that nobody has taken over the lock that this handle holds. Of a work that it does not
   * hold there is nothing to prove. @throws LakeError 'lock-lost'
   */
  prove(work: LakeWork): Promise<void>
  /** A text that no other write has, by which `replace` with an expected version tells one writer from another; null: locks need none. */
  stamp(work: LakeWork): string | null
}

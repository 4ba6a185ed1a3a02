/** Posts of an honest client beside one that attacks with everything at once (tests/hostile/attacks.ts), and the memory that this takes. */
import { HostileSite } from '#tests/hostile/hostile-site.ts'

const POSTS = Number(process.env.BENCH_POSTS ?? 400)

/** @returns milliseconds of the honest client's posts, how many of them took over a second or were not taken, and MiB; of the limit's group 0 where none could be set */
export async function hostile(): Promise<Record<string, number>> {
  const site = await HostileSite.start()
  try {
    const { posts, occupiedMibMax } = await site.endure(POSTS)
    const took = posts.map(({ tookMs }) => tookMs).sort((a, b) => a - b)
    const quantile = (q: number): number => took[Math.ceil(q * took.length) - 1]!
    return {
      posts: posts.length,
      notTaken: posts.filter(({ status }) => status !== 202).length,
      p50Ms: quantile(0.5),
      p99Ms: quantile(0.99),
      maxMs: took.at(-1)!,
      overOneSecond: took.filter((ms) => ms > 1_000).length,
      occupiedMibMax,
      groupMibMax: site.peakMib ?? 0,
    }
  } finally {
    await site.stop()
  }
}

/**
 * The size of the pool of threads in which engines run their statements and files are read: with Node's four, a query waits for
 * statements of the stream role. The pool reads the variable when it is first used, so this module must be imported before all others.
 */
const POOL_THREADS = 16

process.env.UV_THREADPOOL_SIZE ??= String(POOL_THREADS)

/** Parts of ECharts by their files: from its lists of parts (`echarts/charts`), a bundler puts all that any file uses into one. */
declare module 'echarts/lib/*' {
  export const install: Exclude<Parameters<typeof import('echarts/core').use>[0], unknown[]>
}

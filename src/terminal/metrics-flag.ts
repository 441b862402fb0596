import * as Flags from '@oclif/core/flags'

/** Of commands that run for long, and take their work from others. */
export const metricsFlag = {
  metrics: Flags.string({
    helpGroup: 'TELEMETRY',
    helpValue: '[HOST:]PORT',
    description:
      'answer /metrics, /healthz and /readyz there, such as 9464; this machine alone may ask, unless a host is named (0.0.0.0:9464)',
  }),
}

import {
  CreateBucketCommand,
  ListObjectsV2Command,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import sharp from 'sharp'

const c = new S3Client({ endpoint: process.env.S3_ENDPOINT, region: 'us-east-1', forcePathStyle: true })
const [cmd, ...args] = process.argv.slice(2)
if (cmd === 'fill') {
  for (const Bucket of ['sources-hand-store', 'sources-hand'])
    await c.send(new CreateBucketCommand({ Bucket })).catch((e) => console.log(e.name))
  await c.send(
    new PutBucketVersioningCommand({
      Bucket: 'sources-hand',
      VersioningConfiguration: { Status: 'Enabled' },
    }),
  )
  for (const [i, Key] of [
    'photos/a.jpg',
    'photos/a.png',
    'photos/summer/b c+ü.jpg',
    'photos/summer/c.jpg',
    'photos/notes.txt',
  ].entries())
    await c.send(
      new PutObjectCommand({
        Bucket: 'sources-hand',
        Key,
        Body: await sharp({
          create: { width: 60 + i, height: 50, channels: 3, background: { r: 40 * i, g: 90, b: 10 } },
        })
          .toFormat(Key.endsWith('png') ? 'png' : 'jpeg')
          .toBuffer(),
      }),
    )
}
if (cmd === 'put') await c.send(new PutObjectCommand({ Bucket: args[0], Key: args[1], Body: args[2] }))
if (cmd === 'ls')
  for (const Bucket of args) {
    const { Contents = [] } = await c.send(new ListObjectsV2Command({ Bucket }))
    console.log(
      Bucket,
      Contents.map((o) => `${o.Key} (${o.Size})`),
    )
  }
c.destroy()

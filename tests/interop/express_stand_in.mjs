// As much of Express and express-session as a set-up of docs/portals.md asks for; `/` shows whom the portal knows.
// Started with the set-up's file and a port.
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { pathToFileURL } from 'node:url'

const [file, port] = process.argv.slice(2)
const { login, callback, logout } = await import(pathToFileURL(file))
const sessions = new Map()

function show(req, res) {
  res.writeHead(200, { 'content-type': 'application/json' })
  res.end(JSON.stringify(req.session.person ?? null))
}

const views = { '/login': login, '/callback': callback, '/logout': logout, '/': show, '/bye': show }

createServer(async (req, res) => {
  const known = /(?:^|; )express=([\w-]+)/.exec(req.headers.cookie ?? '')?.[1]
  const id = sessions.has(known) ? known : randomUUID()
  if (id !== known) sessions.set(id, {})
  req.session = sessions.get(id)
  req.originalUrl = req.url
  res.setHeader('set-cookie', `express=${id}; HttpOnly; Path=/`)
  res.redirect = (address) => res.writeHead(302, { location: address }).end()
  try {
    await views[new URL(req.url, 'http://localhost').pathname](req, res)
  } catch (error) {
    res.writeHead(500, { 'content-type': 'text/plain' }).end(`${error.code ?? error.message}`)
  }
}).listen(Number(port), 'localhost', () => process.stdout.write('listening\n'))

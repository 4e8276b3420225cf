/** Both ends of a link with keys in a process of its own, used once and closed: the process must end by itself. */
import {
  bindEndpoint,
  bindPublisher,
  connectEndpoint,
  connectSubscriber,
  generateKeyPair,
} from "../../../protocol/transport/index.ts";
import { silentLogger } from "../../../supervisor/index.ts";
import { echoLink } from "./echo-link.ts";

const log = silentLogger;
const nothing = () => undefined;
for (let round = 0; round < 3; round += 1) {
  const secret = generateKeyPair();
  const server = await bindEndpoint(echoLink, {
    address: "tcp://127.0.0.1:0",
    keys: { secret, isAuthorised: () => true },
    log,
    handlers: {
      opened: nothing,
      closed: nothing,
      message: (_, __, reply) => reply?.({ value: { text: "yes" } }),
    },
  });
  const text = await new Promise<string>((resolve, reject) => {
    const client = connectEndpoint(echoLink, {
      address: server.address,
      keys: { own: generateKeyPair(), serverPublicKey: secret.publicKey },
      log,
      handlers: {
        up: () => {
          client
            .ask("ECHO", { text: "there?" }, 5_000)
            .then(async (answer) => {
              await client.close();
              resolve(answer.text);
            })
            .catch(reject);
        },
        down: reject,
        message: nothing,
      },
    });
  });
  await server.close();
  await server.close();
  const publisher = await bindPublisher(echoLink, { address: "tcp://127.0.0.1:0", log });
  const listener = connectSubscriber(echoLink, {
    address: publisher.address,
    log,
    onMessage: nothing,
    onGap: nothing,
  });
  publisher.publish("NEWS", { n: 1 });
  await listener.close();
  await publisher.close();
  process.stdout.write(`${text}\n`);
}

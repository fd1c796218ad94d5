/**
 * What an installed system asks of the appliance: its metadata, the way cloud-init's NoCloud source asks, and the call home
 * of its first boot. The token belongs to the install's job and opens until that job fails, is called off, or a day is over.
 */
import type { FastifyInstance } from 'fastify';
import { AppError } from '../../errors.ts';
import { type InstallDetail, parseInstallDetail } from '../../install/detail.ts';
import { metaData, networkConfig, userData, vendorData } from '../../install/metadata.ts';
import { isForInstaller, type WorkToken } from '../../inventory/work.ts';
import { limit } from '../../limits.ts';
import { type MachineAppOptions, type TokenParams, urlOf } from './holder.ts';
import { endInstaller } from './installer-routes.ts';
import { workTokenOf } from './work-holder.ts';

export function addMetadataRoutes(app: FastifyInstance, options: MachineAppOptions): void {
  const find = (request: Parameters<typeof workTokenOf>[1]): [WorkToken, InstallDetail] => {
    const token = workTokenOf(options, request);
    if (token?.purpose !== 'metadata') throw new AppError('TOKEN_PURPOSE');
    return [token, parseInstallDetail(token.order.detail)];
  };
  const documents = {
    'meta-data': metaData,
    'user-data': userData,
    'vendor-data': vendorData,
    'network-config': networkConfig,
  } as const;
  for (const [name, render] of Object.entries(documents))
    app.get<TokenParams>(`/metadata/:token/${name}`, (request, reply) => {
      const [token, detail] = find(request);
      const { job, hardwarename } = token.order;
      const phoneHome = `${urlOf(request)}/phone-home/${token.token}`;
      const text = render(detail, { job, hardwarename, phoneHome });
      return reply.type('text/plain; charset=utf-8').header('cache-control', 'no-store').send(text);
    });

  // cloud-init posts a form with the keys it has made, our unit posts nothing: the token says it all.
  for (const url of ['/phone-home/:token', '/metadata/:token/phone-home'])
    app.post<TokenParams>(url, { bodyLimit: limit('workResultBytesMax') }, (request, reply) => {
      const [token, { hostname, image }] = find(request);
      const { order } = token;
      const { inventory } = options;
      // Nothing that is not installed can call: whoever it is has read a disk that is being written. An image's own installer
      // has no agent that would say so; the system that it has made is its last word.
      const byItself = isForInstaller(order) && order.state === 'armed' && order.destroysAt > 0;
      if (order.state !== 'done' && !byItself) throw new AppError('WORK_ENDED');
      inventory.transaction(() => {
        if (byItself) endInstaller(options, token);
        if (!inventory.work.phoned(order.job)) return;
        const { job, hardwarename } = order;
        const address = request.ip.replace(/^::ffff:/, '');
        const data = { job, hostname, image: `${image.name}@${image.version}`, address };
        inventory.events.append({ name: 'os.phoned-home', hardwarename, data });
      });
      return reply.code(204).send();
    });
}

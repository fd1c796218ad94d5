/** Pages that are fetched when they are first opened. */
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Failure, Loading } from './common.tsx';

/** A component that fetches its code the first time it is shown. */
export function lazy<Props extends object>(
  fetchIt: () => Promise<ComponentType<Props>>,
): ComponentType<Props> {
  const loaded: { page?: ComponentType<Props> } = {};
  return function Lazy(props: Props) {
    const [, again] = useState(0);
    const [failed, setFailed] = useState(false);
    useEffect(() => {
      if (loaded.page) return;
      fetchIt().then(
        (page) => {
          loaded.page = page;
          again((count) => count + 1);
        },
        () => setFailed(true),
      );
    }, []);
    const { page: Page } = loaded;
    if (Page) return <Page {...props} />;
    return failed ? (
      <Failure says="This page could not be fetched. Reload when the network is back." />
    ) : (
      <Loading />
    );
  };
}

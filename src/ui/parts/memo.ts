/** A component that is drawn anew only when its properties say something else; the core of Preact leaves this to us. */
import { Component, type ComponentType, h } from 'preact';

export function memo<Props extends object>(
  Inner: ComponentType<Props>,
  same: (a: Props, b: Props) => boolean,
): ComponentType<Props> {
  return class Memo extends Component<Props> {
    override shouldComponentUpdate(next: Props): boolean {
      return !same(this.props, next);
    }
    override render() {
      return h(Inner as ComponentType<object>, this.props);
    }
  };
}

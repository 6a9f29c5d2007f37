/** The extension's own icon: a run with the calls that it makes, and one that calls again. */
import { LabIcon } from '@jupyterlab/ui-components';

const SVG = `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 16 16">
  <g fill="none" stroke-width="1.3" stroke-linecap="round">
    <path class="jp-icon3" stroke="#616161" d="M4 5.2v5.3a2 2 0 0 0 2 2h3.5M4 8.2h5.5"/>
  </g>
  <g class="jp-icon3" fill="#616161">
    <circle cx="4" cy="3.3" r="2.1"/>
    <circle cx="11.6" cy="8.2" r="1.7"/>
    <circle cx="11.6" cy="12.5" r="1.7"/>
  </g>
</svg>`;

/** The icon of the panel, its commands and its tabs. */
export const rlmIcon = new LabIcon({ name: 'rlm-jupyter:icon', svgstr: SVG });

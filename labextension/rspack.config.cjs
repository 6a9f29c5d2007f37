/* What the build of the extension does otherwise than JupyterLab's own configuration. */

module.exports = {
  // The report of licenses names no package whose modules were all put into another one's: of @tanstack/virtual-core
  // it said nothing. Modules that stay by themselves cost 14 kB, and the notice has to be there.
  optimization: { concatenateModules: false }
};

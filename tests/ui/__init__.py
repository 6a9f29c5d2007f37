"""The sidebar in a real browser: a real JupyterLab, real kernels, and a scripted model at the network's edge."""

"""Model files: which there are on this machine, which are worth having, and how they come here.

`shelf` lists what is here and `elsewhere` what other programs have; `machine` says what will run; `recommended` is a
short list of good models; `source`, `fetch` and `downloads` bring one from the network, `incoming` from the page.
"""

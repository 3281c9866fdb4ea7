"""L4P (Badki et al., 3DV 2026), the teacher of the 4D-RGPT paper: an adapter to its layout.

`network.py` builds a network of that layout from a description of its sizes; `teacher.py` labels
with it. No weights and no code of the authors are part of this repository: their licence is
CC-BY-NC-SA-4.0, non-commercial. Written from the paper and from the layout in the authors'
published code (encoder VideoMAEv2 ViT-g, four dense heads of DPT form with 3D convolutions). **The
published weights were never run here**: names of weights inside the heads are inferred from the
family of heads that they belong to. Encoder and the four heads have 1,337 million weights in all,
as many as the paper counts. Loading is strict, so weights of other names or shapes are refused with
their names, and no label is ever made by a network that does not match.

The published file is a pickled checkpoint, which p4d does not read. Convert it once, where you
trust it: load it with `torch.load(FILE, weights_only=True)`, keep the entries of `state_dict`
below `l4p_model.`, write them with `safetensors.torch.save_file` as FOLDER/model.safetensors, and
write `PUBLISHED` of network.py as FOLDER/config.json.
"""

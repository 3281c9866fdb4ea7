"""The folder of a network that somebody else made: weights and settings, never code.

Every network, tokenizer and processor of transformers is loaded here, so that no call can forget a
guard.

- `folder.py`: `ModelFolder`, which checks a folder before transformers reads it;
- `rules.py`: what its files may say;
- `hub.py`: a folder by its path or by its id on the Hub;
- `skeleton.py`: a network without weights, from plain settings.

Which network a stage wants does not belong here.
"""

from p4d.model_folder.folder import ModelFolder
from p4d.model_folder.hub import located
from p4d.model_folder.skeleton import config_from_settings, skeleton

__all__ = ["ModelFolder", "config_from_settings", "located", "skeleton"]

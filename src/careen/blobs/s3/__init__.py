"""Blobs in a bucket of Amazon S3, or of a server that speaks its API.

::

    <prefix>/blobs/<generation>                              committed bytes, or those of an upload about to be
    <prefix>/blobs/<generation>.<algorithm>-<hex>            their name: an empty object, written before them
    <prefix>/uploads/<repository id>/<upload id>             an upload: what is there, and who holds it
    <prefix>/uploads/<repository id>/<upload id>.<random>    its last bytes, fewer than make a part

An upload's bytes go into a multipart upload whose key is the upload's own id, and that id becomes the generation: the digest is
known only at the end, and nothing is ever copied to a key that says it. docs/adr/0014 argues for it.

The state of an upload is one small object. It is replaced only if it is still the one that was read (If-Match), so it is the
lock, too: whoever replaces a free one by one with a holder's token has the upload. A holder that says nothing for
:data:`careen.blobs.s3.state.LEASE_SECONDS` loses it to whoever asks next, and learns so at its next word. What can go wrong
then is an upload that has to be begun again, never a blob with other bytes than its digest says. All this holds between
threads, processes and machines.

Parts of a multipart upload cannot be read back, so the digest of what came is kept in the state. Only an upload that grows in
another process than before is read once, after its parts were put together.
"""

from careen.blobs.s3.client import CannotUse as CannotUse
from careen.blobs.s3.place import Place as Place
from careen.blobs.s3.place import parse_place as parse_place
from careen.blobs.s3.store import S3BlobStore as S3BlobStore

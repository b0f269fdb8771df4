package fsbackend

// LinkByNumber is how a file without a name gets one on older kernels.
var LinkByNumber = linkByNumber

// CopyBuffer is the size up to which a file is read and written.
const CopyBuffer = copyBuffer

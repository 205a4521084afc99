/// A model file that its authors publish: where, how long, and the sum that it must have.
package struct PublishedModel: Sendable, Equatable {
    package var name: String
    package var byteCount: Int
    package var sha256: String
    package var address: String
    package var fileName: String { name + ".pb" }

    package init(name: String, byteCount: Int, sha256: String, address: String) {
        self.name = name
        self.byteCount = byteCount
        self.sha256 = sha256
        self.address = address
    }

    /// The networks of OpenCV's dnn_superres. They are their authors' files and are not part of Enlarger.
    package static let all: [PublishedModel] = [
        .init(
            folder: "Saafke/EDSR_Tensorflow/master/models", name: "EDSR_x2", byteCount: 38_490_162,
            sha256: "585623221baa070279a0d1e7e113a4c3faba0f318ca7fdd9a65d9afc0763d9b4"),
        .init(
            folder: "Saafke/EDSR_Tensorflow/master/models", name: "EDSR_x3", byteCount: 38_524_784,
            sha256: "3baa3740fdb8ee9c52f1a41d69fa74cb9feef0fa9bfeec24f0ee58b928068e9a"),
        .init(
            folder: "Saafke/EDSR_Tensorflow/master/models", name: "EDSR_x4", byteCount: 38_573_255,
            sha256: "dd35ce3cae53ecee2d16045e08a932c3e7242d641bb65cb971d123e06904347f"),
        .init(
            folder: "fannymonori/TF-ESPCN/master/export", name: "ESPCN_x2", byteCount: 86_446,
            sha256: "59f77351e1d7c0057bf6fe088b4a8a07e42c468c8c8aebb674a6b4ea1823221d"),
        .init(
            folder: "fannymonori/TF-ESPCN/master/export", name: "ESPCN_x3", byteCount: 92_226,
            sha256: "0e667db7a431d14c32568ed79bf21701a64df8b1d162e48ca1f8800affe2c2b3"),
        .init(
            folder: "fannymonori/TF-ESPCN/master/export", name: "ESPCN_x4", byteCount: 100_323,
            sha256: "e403f06309229cf36009cd8fb0da032ba7643fae9f15cf94fe562e8edf8fef47"),
        .init(
            folder: "Saafke/FSRCNN_Tensorflow/master/models", name: "FSRCNN-small_x2", byteCount: 9_595,
            sha256: "429e4793d049c1ae16ddbbc322fd11c3c08831c0c20137390b4d098976a2b0d9"),
        .init(
            folder: "Saafke/FSRCNN_Tensorflow/master/models", name: "FSRCNN-small_x3", byteCount: 10_235,
            sha256: "58e72d0c4231b8e754180e787d7348f45ae6230ee3c5af7dc12b558467f593f7"),
        .init(
            folder: "Saafke/FSRCNN_Tensorflow/master/models", name: "FSRCNN-small_x4", byteCount: 11_131,
            sha256: "92a9f57c28494813b4dc073b51a300cb909401454d77541bcdc96b4d55901d02"),
        .init(
            folder: "Saafke/FSRCNN_Tensorflow/master/models", name: "FSRCNN_x2", byteCount: 38_973,
            sha256: "366b33f0084c7b3f2bf6724f0a2c77bca94fcec9d7b6d72389d330073b380d5c"),
        .init(
            folder: "Saafke/FSRCNN_Tensorflow/master/models", name: "FSRCNN_x3", byteCount: 40_093,
            sha256: "efd38655a815908c6c8954db6052f128e76a735f1de657894c477d0dc0b64481"),
        .init(
            folder: "Saafke/FSRCNN_Tensorflow/master/models", name: "FSRCNN_x4", byteCount: 41_661,
            sha256: "5c68d18db561aed8ead4ffedf1b897ea615baaf60ebf6c35f8e641f8fa4a21bf"),
        .init(
            folder: "fannymonori/TF-LapSRN/master/export", name: "LapSRN_x2", byteCount: 1_356_253,
            sha256: "f59c86e6835bbca646dbd81588f07820dfe3bd09e3702976ae2d90b5fc0f0b21"),
        .init(
            folder: "fannymonori/TF-LapSRN/master/export", name: "LapSRN_x4", byteCount: 2_712_798,
            sha256: "d3e95c93cafae5ce5a8ed57ce9abf07f2de58da8c5d6d656b766774969835ee2"),
        .init(
            folder: "fannymonori/TF-LapSRN/master/export", name: "LapSRN_x8", byteCount: 4_069_183,
            sha256: "a00211938b2b4c7d23691525a9267d9d0bbb345cdb9f38a7fc917414a5a1884f"),
    ]

    private init(folder: String, name: String, byteCount: Int, sha256: String) {
        self.init(
            name: name, byteCount: byteCount, sha256: sha256,
            address: "https://raw.githubusercontent.com/\(folder)/\(name).pb")
    }

    /// By name, with or without ".pb", in any case.
    package static func named(_ name: String) -> PublishedModel? {
        let wanted = name.lowercased()
        return all.first { $0.name.lowercased() == wanted || $0.fileName.lowercased() == wanted }
    }
}

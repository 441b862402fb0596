// A wine glass, half full: the room shows through it.
#include "room.inc"
View(<-0.2, 1.05, -3.6>, <0, 0.76, 0>, 27, 0.07)
#declare Bowl = intersection { sphere { 0, 1 scale <0.37, 0.5, 0.37> translate y * 1.05 } plane { y, 1.4 } }
#declare Inside = sphere { 0, 1 scale <0.357, 0.485, 0.357> translate y * 1.06 }
#declare Glass = union {
  difference {
    merge {
      object { Bowl }
      cone { y * 0.02, 0.05, y * 0.3, 0.025 }
      cone { y * 0.3, 0.025, y * 0.6, 0.055 }
      cone { 0, 0.33, y * 0.05, 0.05 }
    }
    object { Inside }
    #if (!Mask)
      pigment { rgbt <0.97, 0.98, 0.98, 0.95> }
      finish { specular 0.9 roughness 0.002 reflection { 0.06, 0.7 fresnel on } conserve_energy diffuse 0.03 }
      interior { ior 1.48 }
    #end
  }
  #if (Mask)
    object { Bowl }
  #else
    intersection {
      sphere { 0, 1 scale <0.355, 0.483, 0.355> translate y * 1.06 }
      plane { y, 1.05 }
      pigment { rgbt <0.45, 0.02, 0.06, 0.7> } finish { specular 0.6 roughness 0.005 reflection 0.03 } interior { ior 1.34 }
    }
  #end
}
Subject(Glass)
#if (!Mask) Room(23) #end
